"""What ends a run of the fuzzer."""


class Finding(Exception):
    """What no parser may do."""


class Hang(Finding):
    """An input that took too long, or met a pause of the machine: only a repetition tells."""
