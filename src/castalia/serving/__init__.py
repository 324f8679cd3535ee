"""The HTTP server of runs: OpenAI's API and our own. Needs the extra `serving`."""
