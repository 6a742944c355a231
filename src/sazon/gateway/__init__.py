"""The gateway: the decided candidate behind an OpenAI-shaped interface, local first."""
