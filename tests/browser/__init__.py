"""Tests of the page. A package, so that Chromium ends with the last of them: asyncio.run fails beside its driver."""
