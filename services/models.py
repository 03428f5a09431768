"""Models of a served stage. They are found in the model folder and never fetched: stages have no internet access."""

from talkmill.models.catalogue import find
from talkmill.models.damage import DamagedModelError
from talkmill.models.installed import InstalledModel, find_installed
from talkmill.models.settings import ModelSettings
from talkmill.stages.errors import ModelUnavailableError


def installed(settings: ModelSettings, model_id: str) -> InstalledModel:
    """Return a fetched model.

    Raises:
        ModelUnavailableError: It is not in the model folder, or damaged there.
        UnknownModelError: The catalogue has no such model.
    """
    try:
        model = find_installed(settings.directory, find(model_id))
    except DamagedModelError as error:
        raise ModelUnavailableError(str(error)) from error
    if model is None:
        raise ModelUnavailableError(
            f"model {model_id} is not in the model folder of this service; `talkmill models fetch {model_id}` gets it"
        )
    return model
