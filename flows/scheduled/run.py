"""Runs a flow from the command line: with the Prefect server that PREFECT_API_URL names, else with a temporary one.

The temporary server keeps its database under the home folder and takes 10 to 30 seconds to start (a minute on a cold,
busy machine), hence the long limit. Nothing is sent to anyone: its analytics are off.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from flows.errors import PrefectUnavailable
from flows.wiring import make_home

if TYPE_CHECKING:
    from flows.retrain_adapter import Retrained
    from flows.retrain_plan import RetrainRequest
    from flows.settings import Settings

__all__ = ["run_refresh_flow", "run_retrain_flow"]

_UNREACHABLE = ("Prefect API server", "Failed to reach API")
"""How Prefect's own RuntimeErrors begin to tell that its server did not start, or does not answer."""


def run_refresh_flow(
    settings: Settings, sources: Sequence[str], progress: Callable[[str, int, int], None]
) -> dict[str, Any]:
    """One run of `refresh-index`; its result as JSON. Raises PrefectUnavailable if no server answers in time."""

    def run() -> dict[str, Any]:
        from flows.scheduled.refresh_index import refresh_index_flow

        return refresh_index_flow(sources, settings.home, progress)

    return _served(settings, run)


def run_retrain_flow(
    settings: Settings,
    request: RetrainRequest,
    say: Callable[[str], None],
    progress: Callable[[str, int, int], None],
) -> tuple[dict[str, Any], Retrained]:
    """One run of `retrain-adapter`: its result as JSON, and what came of it.

    Raises PrefectUnavailable, and what the retraining raises.
    """
    from flows.retrain_adapter import recall

    def run() -> dict[str, Any]:
        from flows.scheduled.retrain_adapter import retrain_adapter_flow

        return retrain_adapter_flow(
            str(request.behaviour), home=settings.home, request=request, say=say, progress=progress
        )

    told = _served(settings, run)
    return told, recall(settings, request.behaviour, told)


def _served(settings: Settings, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `run` gives, with Prefect ready for it."""
    _prepare_environment(settings)
    from httpx import ConnectError

    try:
        return run()
    except (ConnectError, RuntimeError) as cause:
        if isinstance(cause, RuntimeError) and not any(sign in str(cause) for sign in _UNREACHABLE):
            raise
        raise PrefectUnavailable(
            f"No Prefect server can be reached: {cause}",
            remedy="Run it without Prefect (--no-flow), raise GROUNDSKEEPER_PREFECT_STARTUP_SECONDS, "
            "or correct PREFECT_API_URL.",
        ) from cause


def _prepare_environment(settings: Settings) -> None:
    """Prefect reads its settings when it is imported; whatever the user has set stays."""
    prefect_home = (make_home(settings) / "prefect").resolve()
    prefect_home.mkdir(exist_ok=True)
    defaults = {
        "PREFECT_HOME": str(prefect_home),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(settings.prefect_startup_seconds),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # Errors reach the user through our own console, without Prefect's traceback.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
