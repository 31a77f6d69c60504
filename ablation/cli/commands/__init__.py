"""Commands of `ablate`, one file each: options in, text out.

Large libraries are imported inside the functions, so that --help is quick.
"""

from ablation.cli.commands import (
    adopt,
    check,
    clean,
    compare,
    data,
    doctor,
    evaluate,
    explain,
    import_results,
    new,
    plan,
    predict,
    register,
    report,
    run,
    status,
    sync,
    table,
    try_trial,
    ui,
    verify,
    worker,
)

COMMANDS = (
    run.run,
    plan.plan,
    try_trial.try_trial,
    check.check,
    table.table,
    report.report,
    verify.verify,
    compare.compare,
    explain.explain,
    import_results.import_results,
    data.data,
    evaluate.evaluate,
    predict.predict,
    ui.ui,
    sync.sync,
    register.register,
    new.new,
    status.status,
    adopt.adopt,
    clean.clean,
    worker.worker,
    doctor.doctor,
)
