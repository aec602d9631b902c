"""The path of a trained network in, the network out; every refusal names the file and the setting."""

from pathlib import Path

from libs.common.runtime.errors import ConfigurationError
from services.signals.engine.confluence.artefact import Artefact, ArtefactError, load_artefact


def read_model(path: Path) -> Artefact:
    """Return the network that stands in `path`, whose name must contain the network's own.

    Raises:
        ConfigurationError: the file cannot be read, is no artefact, or is called something else.
    """
    try:
        artefact = load_artefact(path.read_bytes())
    except (OSError, ArtefactError) as e:
        raise ConfigurationError(f"CSX_SIGNALS_MODEL: {path}: {e}") from e
    if artefact.name not in path.name:
        raise ConfigurationError(f"CSX_SIGNALS_MODEL: {path}: the file's name must contain {artefact.name}")
    return artefact
