"""OctoPrint's first-run wizard, where the plugin asks the few things it cannot know."""

from __future__ import annotations

from typing import Any

import octoprint.plugin

from octoprint_spaghetti.core.settings import Settings

#: Raised when the wizard asks something new that people who have seen it should be asked too.
WIZARD_VERSION = 1


class FirstRun(octoprint.plugin.WizardPlugin):
    """Asks as long as nothing was ever saved and the environment says nothing either."""

    @property
    def given(self) -> dict[str, Any]:
        """Return the settings that the environment gives; the plugin class reads them."""
        raise NotImplementedError

    def stored_settings(self) -> dict[str, Any]:
        """Return what is stored, defaults where nothing is; the plugin class reads it from OctoPrint."""
        raise NotImplementedError

    def is_wizard_required(self) -> bool:
        """Return whether nobody has said yet where the looking happens."""
        return not self.given and self.stored_settings() == Settings.defaults()

    def get_wizard_version(self) -> int:
        """Return the version that OctoPrint remembers once it was seen."""
        return WIZARD_VERSION
