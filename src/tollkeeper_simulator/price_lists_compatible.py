"""What the models cost whose providers speak OpenAI's dialect with an accent: DeepSeek and xAI, US dollars per million tokens.

Sources: api-docs.deepseek.com/quick_start/pricing and docs.x.ai/developers/pricing as of 2026-10-14, by way of genai-prices
0.2.3. DeepSeek's `peak` is 01:00-04:00 and 06:00-10:00 UTC from Monday to Friday (weekends are off-peak since 2026-08-23,
pydantic/genai-prices issue 582), `default` is the rest. xAI's long context begins at 200,000 tokens inclusive.
"""

from __future__ import annotations

DEEPSEEK = """
model              tier            input   cache_read output
deepseek-flash     default         0.15    0.003   0.6
deepseek-flash     peak            0.3     0.006   1.2
deepseek-v4-flash  default         0.15    0.003   0.6
deepseek-v4-flash  peak            0.3     0.006   1.2
deepseek-v4-pro    default         0.66    0.022   1.98
deepseek-v4-pro    peak            1.32    0.044   3.96
"""

XAI = """
model              tier            input   cache_read output
grok-4.7           default         2       0.5     6
grok-4.7           default>199999  4       1       12
grok-4.6           default         2       0.5     6
grok-4.6           default>199999  4       1       12
grok-4.5           default         2       0.3     6
grok-4.5           default>199999  4       0.6     12
grok-4.3           default         1.25    0.2     2.5
grok-4.3           default>199999  2.5     0.4     5
grok-3-mini        default         0.3     0.075   0.5
"""
