"""Example line of a command: its options become factors, and those of the seed and of the output become {names}."""

import math
import re
import shlex
from dataclasses import dataclass, field
from pathlib import PurePath

from ablation.errors import AblateError
from ablation.experiments.command.arguments import CHECKPOINT, FLAGS, OF_TRAINING, OVERRIDES, names
from ablation.study.declared_factors import is_allowed
from ablation.study.levels import Level
from ablation.study.study_keys import MAX_SEED

WHOLE = re.compile(r"-?(0|[1-9]\d*)")
DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
NUMBER_LIKE = re.compile(r"-\.?\d")  # -0.5 is a value, -v an option
STATED = re.compile(r"\{([A-Za-z_]\w*)=([^{}]*)\}")  # {name=value}, for what is no option
ASSIGNED = re.compile(r"([+~]{0,2})([A-Za-z_][\w./@-]*)=(.*)", re.DOTALL)  # lr=0.1 as Hydra takes it
VARIABLE = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
OPERATORS = frozenset({"|", "||", "&", "&&", ";", ">", ">>", "<", "<<", "2>", "2>&1", "&>"})
LAUNCHERS = frozenset(
    """
    accelerate bash bun conda deepspeed env java julia lua micromamba mpiexec mpirun nice node nohup octave
    perl pixi poetry pypy rscript ruby runuser sh srun stata taskset time timeout torchrun uv xvfb-run zsh
    """.split()  # noqa: SIM905
)
LAUNCHING = ("torch.distributed", "accelerate", "deepspeed")  # modules that are given a script
SCRIPTS = frozenset(".awk .bash .do .ipynb .jar .jl .js .lua .m .mjs .pl .py .r .rb .sh .ts .zsh".split())  # noqa: SIM905
RENAMED = "option_"  # begins the names of factors whose own names are not allowed
SEEDS = frozenset({"seed", "random_seed", "rng_seed", "manual_seed", "global_seed", "random_state", "seed_everything"})
THREADS = frozenset({"threads", "n_threads", "num_threads", "nthreads"})
OUTPUT = frozenset({"o", "out", "output", "outputs", "outdir", "outputdir", "outfile", "logdir", "rundir", "savedir"})
MAY_BE_OUTPUT = frozenset(
    {"exp", "experiment", "hydra", "log", "logs", "logging", "metrics", "preds", "predictions", "result", "results"}
    | {"run", "runs", "save", "work", "workdir", "default"}
)
CHECKPOINTS = frozenset({"checkpoint", "checkpoints", "ckpt"})  # a folder is written; a file may be read
FOLDERS = frozenset({"dir", "directory", "folder"})
PLACE = FOLDERS | {"csv", "file", "json", "path", "root", "to"}


@dataclass(frozen=True)
class ExampleFactor:
    """Option of an example line as a factor.

    `option`: the option as it is written. `default`: its value. `text`: the value as TOML. `if_true`, `if_false`: its
    arguments, where it is a switch. `join`: text between the parts of a list.
    """

    name: str
    option: str
    default: Level
    text: str
    if_true: str | None = None
    if_false: str | None = None
    join: str = ""


@dataclass
class ExampleLine:
    """Command line that was read.

    `command`: the line with {names}. `script`: name of the script or program. `path`: the script as it is written; ""
    for a program. `seed`: value of the seed's option; None without one. `files`: paths of the options of outputs, with
    {folder} in place of the folder. `variables`: environment variables in front of the program.
    """

    command: str = ""
    script: str = ""
    path: str = ""
    factors: dict[str, ExampleFactor] = field(default_factory=dict)
    seed: int | None = None
    has_seed: bool = False
    files: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    def add(self, factor: ExampleFactor) -> str:
        """Add a factor under a free and allowed name. Return what stands for its value in the command."""
        name = _allowed(factor.name)
        free = next(n for n in (name, *(f"{name}_{i}" for i in range(2, 10_000))) if n not in self.factors)
        self.factors[free] = ExampleFactor(**{**vars(factor), "name": free})
        return f"{{{free}}}"

    def value(self, option: str, text: str) -> str:
        """Return what stands for the value of an option in the command."""
        if names([text], ""):
            self.files += [text] if "{folder}" in text else []
            return text
        name = _identifier(option)
        last = _identifier(option.rpartition(".")[2])
        if last in SEEDS:
            self.has_seed = True
            self.seed = int(text) if text.isdecimal() and int(text) <= MAX_SEED else self.seed
            return "{seed}"
        if last in THREADS and text.isdecimal():
            return "{threads}"
        if last == "device" and (text == "cpu" or text.startswith("cuda")):
            return "{device}"
        if _is_output(name, text):
            path = PurePath(text)
            self.files.append("{folder}" if text.endswith("/") or not path.suffix else f"{{folder}}/{path.name}")
            return self.files[-1]
        return self.add(_factor(name, option, text))


def toml_text(text: str) -> str:
    """Return a text as a TOML string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}" for c in escaped) + '"'


def _identifier(option: str) -> str:
    """Return the name of an option in lower case letters where it has no other sense, with underscores."""
    return re.sub(r"\W+", "_", option, flags=re.ASCII).strip("_")


def _allowed(name: str) -> str:
    """Return a name that a factor may have."""
    is_free = is_allowed(name) and name not in (*OF_TRAINING, FLAGS, OVERRIDES, CHECKPOINT)
    return name if is_free else f"{RENAMED}{name}".rstrip("_")


def _is_output(name: str, text: str) -> bool:
    """Return whether an option names a file or folder that the command writes."""
    words = set(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().split("_"))
    if words & CHECKPOINTS and words & FOLDERS:
        return True
    if not words <= OUTPUT | MAY_BE_OUTPUT | PLACE or DECIMAL.fullmatch(text) or text.lower() in ("true", "false"):
        return False
    is_path = "/" in text or bool(PurePath(text).suffix)
    return bool(words & OUTPUT or (words & MAY_BE_OUTPUT and (words & PLACE or is_path)))


def _number(text: str) -> tuple[Level, str] | None:
    """Return the number that a text is, and its TOML; None for another text."""
    if WHOLE.fullmatch(text):
        return int(text), str(int(text))
    if not DECIMAL.fullmatch(text) or not math.isfinite(number := float(text)) or re.match(r"[+-]?0\d", text):
        return None
    is_toml = re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", text) and not text.lstrip("+-").isdigit()
    return number, text if is_toml else repr(number)


def _list(texts: list[str]) -> tuple[list[Level], str] | None:
    """Return the list of numbers that texts are, and its TOML; None where one is no number, or there is one alone."""
    numbers = [number for text in texts if (number := _number(text))]
    if len(numbers) < max(2, len(texts)):
        return None
    return [level for level, _ in numbers], f"[{', '.join(text for _, text in numbers)}]"


def _factor(name: str, option: str, text: str) -> ExampleFactor:
    """Return the factor of an option with a value: a number, true or false, a list of numbers, or a text."""
    if number := _number(text):
        return ExampleFactor(name, option, *number)
    if text in ("true", "false"):
        return ExampleFactor(name, option, text == "true", text)
    if text in ("True", "False"):
        return ExampleFactor(name, option, text == "True", text.lower(), "True", "False")
    if numbers := _list(text.split(",")):
        return ExampleFactor(name, option, *numbers, join=",")
    return ExampleFactor(name, option, text, toml_text(text))


def _switch(option: str) -> ExampleFactor:
    """Return the factor of an option without a value: true passes it; of --no-NAME, false does."""
    name, argument = _identifier(option), shlex.quote(option)
    if name.startswith("no_") and len(name) > 3:
        return ExampleFactor(name.removeprefix("no_"), option, False, "false", "", argument)
    return ExampleFactor(name, option, True, "true", argument, "")


def _is_option(token: str) -> bool:
    return len(token) > 1 and token.startswith("-") and token != "--" and not NUMBER_LIKE.match(token)


def _split(line: str) -> list[str]:
    """Return the parts of a line, as a shell splits it. Raises AblateError for what a shell alone can do."""
    try:
        tokens = shlex.split(re.sub(r"\\\r?\n", " ", line.strip().removeprefix("$ ")))
    except ValueError as error:
        raise AblateError(f"--command: {error}; quotes and backslashes are read as a shell reads them") from None
    if operators := [token for token in tokens if token in OPERATORS or token.endswith(";")]:
        raise AblateError(
            f"--command: {operators[0]!r} needs a shell, and there is none; allowed: one program with its arguments, "
            "such as a script that does the rest, or bash -c '...'"
        )
    return tokens


def _first_argument(tokens: list[str]) -> int:
    """Return the position of the first argument of the script, after launchers, their options and the script."""
    program = PurePath(tokens[0]).name.lower()
    if not (program in LAUNCHERS or program.startswith("python")):
        return 1
    for n, token in enumerate(tokens[1:], start=1):
        if PurePath(token).suffix.lower() in SCRIPTS:
            return n + 1
        if tokens[n - 1] in ("-c", "-e") or (tokens[n - 1] == "-m" and not token.startswith(LAUNCHING)):
            return n + 1
    return 1


def _with_stated(token: str, line: ExampleLine) -> str:
    """Return a part with {name=value} as factors."""
    return STATED.sub(lambda match: line.value(match[1], match[2]), token)


def _arguments(tokens: list[str], line: ExampleLine) -> list[str]:
    """Return the arguments of the script with {names}."""
    arguments: list[str] = []
    while tokens:
        token, *tokens = tokens
        if token == "--":
            return [*arguments, token, *tokens]
        values = tokens[: next((n for n, t in enumerate(tokens) if _is_option(t) or t == "--"), len(tokens))]
        option, equals, value = token.partition("=")
        if assigned := ASSIGNED.fullmatch(token):
            arguments.append(f"{assigned[1]}{assigned[2]}={line.value(assigned[2], assigned[3])}")
        elif not _is_option(token):
            arguments.append(token)
        elif equals:
            arguments.append(f"{option}={line.value(option, value)}")
        elif not values:
            arguments.append(line.add(_switch(option)))
        elif ASSIGNED.fullmatch(values[0]):  # -v lr=0.1 of awk, --set lr=0.1
            arguments.append(option)
        elif option == "-f" and PurePath(values[0]).suffix.lower() in SCRIPTS:  # of awk
            arguments += [option, values[0]]
            tokens = tokens[1:]
        elif numbers := _list(values):
            arguments += [option, line.add(ExampleFactor(_identifier(option), option, *numbers, join=" "))]
            tokens = tokens[len(values) :]
        else:
            arguments += [option, line.value(option, values[0])]
            tokens = tokens[1:]
    return arguments


def _quoted(token: str) -> str:
    """Return a part as it stands in a command line: quoted where it would be split."""
    return token if re.fullmatch(r"""[^\s'"\\]+""", token) else shlex.quote(token)


def read(text: str) -> ExampleLine:
    """Return an example line with its options as factors.

    Raises:
        AblateError: the line needs a shell, or has no option that could vary.
    """
    tokens, line = _split(text), ExampleLine()
    while tokens and VARIABLE.fullmatch(tokens[0]):
        name, _, value = tokens.pop(0).partition("=")
        line.variables[name] = value
    if not tokens:
        raise AblateError('--command: is empty; state an example line, as in "python train.py --lr 0.1"')
    tokens = [_with_stated(token, line) for token in tokens]
    n = _first_argument(tokens)
    scripts = [token for token in tokens[:n] if PurePath(token).suffix.lower() in SCRIPTS and " " not in token]
    line.script = PurePath(scripts[0] if scripts else tokens[0] if " " in tokens[n - 1] else tokens[n - 1]).name
    line.path = scripts[0] if scripts else ""
    line.command = " ".join(map(_quoted, [*tokens[:n], *_arguments(tokens[n:], line)]))
    line.has_seed = line.has_seed or "{seed}" in line.command
    for name in names(line.command, "--command"):
        if name not in (*line.factors, *OF_TRAINING):
            raise AblateError(
                f"--command: {{{name}}} has no value; state one: {{{name}=VALUE}}; code goes into a file, "
                f"and braces themselves are {{{{{name}}}}}"
            )
    if not line.factors:
        raise AblateError(
            "--command: has no option that can vary; state an example line with values, as in --lr 0.1, or "
            "{lr=0.1} in the place of a value that has no option"
        )
    return line
