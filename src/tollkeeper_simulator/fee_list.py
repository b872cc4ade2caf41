"""What is billed by the piece instead of by the token: US dollars for one search, second, character or image.

Sources: platform.claude.com/docs/en/about-claude/pricing (web search), ai.google.dev/gemini-api/docs/pricing (grounding: Gemini
2.5 by grounded prompt, 3 and later by query), docs.x.ai/developers/pricing (web search) and developers.openai.com/api/docs/pricing
(the rest), all by 2026-11-21; DALL·E by LiteLLM's list, US dollars per pixel there. A line is: how the model's name begins,
what is counted, the price of one. Several lines may fit a model; for each thing that is counted the first one is used.
"""

from __future__ import annotations

FEES = """
claude-              web_search                0.01
gemini-2.            grounded_prompt           0.035
gemini-              grounding_query           0.014
grok-                web_search                0.005
gpt-                 web_search                0.01
gpt-                 file_search               0.0025
gpt-                 code_session              0.03
whisper-1            second                    0.0001
tts-1                character                 0.000015
dall-e-3             image:1024x1024/standard  0.04
dall-e-3             image:1024x1024/hd        0.08
dall-e-3             image:1024x1792/standard  0.08
dall-e-3             image:1024x1792/hd        0.12
dall-e-3             image:1792x1024/standard  0.08
dall-e-3             image:1792x1024/hd        0.12
"""

BY_THE_PIECE = ("whisper-1", "tts-1", "dall-e-3")
"""The models that sell no tokens."""
