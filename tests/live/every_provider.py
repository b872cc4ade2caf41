"""Settings of a gateway that has every kind of provider, all of them the simulator; OpenAI is there anyway."""

from __future__ import annotations

PROVIDERS = """
[[providers]]
name = "anthropic"
kind = "anthropic"
base_url = "{origin}/v1"
api_key_env = "SIMULATOR_KEY"
[[providers]]
name = "gemini"
kind = "gemini"
base_url = "{origin}/v1beta"
api_key_env = "SIMULATOR_KEY"
[[providers]]
name = "deepseek"
kind = "deepseek"
base_url = "{origin}/v1"
api_key_env = "SIMULATOR_KEY"
[[providers]]
name = "xai"
kind = "xai"
base_url = "{origin}/v1"
api_key_env = "SIMULATOR_KEY"
"""
