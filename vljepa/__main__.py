"`python -m vljepa` is `vljepa_train`, for launchers that start a module."
from vljepa.engine.cli import vljepa_train
vljepa_train()
