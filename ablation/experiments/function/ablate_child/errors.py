"""Ends of a training other than a return: raised in the user's function, and reported to the worker."""


class ContractError(Exception):
    """Error in what a function returns or calls, which other trainings would share."""


class Ended(BaseException):
    """End of a training before its last step. It is no Exception, so that a function's own handlers let it pass."""

    status = ""


class Interrupted(Ended):
    """Raised where the training was asked to stop, after its state was saved."""

    status = "interrupted"


class Diverged(Ended):
    """Raised where a loss is NaN or infinite."""

    status = "diverged"
