"""What Gemini's models cost: US dollars per million tokens, after Google's published prices.

Source: ai.google.dev/gemini-api/docs/pricing as of 2026-10-14, by way of genai-prices 0.2.3; `priority` is 1.8 ×, `flex` half
of `default`. Prices are those of 2026-11-22: the 3.8 Flash ones are introductory until 2026-12-31, those of 4 Argon until
2026-11-30. A model without a price for audio counts it as other input. Output includes thoughts. Storage of explicit caches
is not sold here. Grounding is in `fee_list`.
"""

from __future__ import annotations

LIST = """
model                   tier             input   cache_read output  input_audio cache_read_audio input_image
gemini-2.5-pro          default          1.25    0.125   10
gemini-2.5-pro          default>200000   2.5     0.25    15
gemini-2.5-pro          flex             0.625   0.0625  5
gemini-2.5-pro          flex>200000      1.25    0.125   7.5
gemini-2.5-pro          priority         2.25    0.225   18
gemini-2.5-pro          priority>200000  4.5     0.45    27
gemini-2.5-flash        default          0.3     0.03    2.5     1       0.1
gemini-2.5-flash        flex             0.15    0.015   1.25    0.5     0.05
gemini-2.5-flash        priority         0.54    0.054   4.5     1.8     0.18
gemini-2.5-flash-lite   default          0.1     0.01    0.4     0.3     0.03
gemini-3-flash-preview  default          0.5     0.05    3       1       0.1
gemini-3.1-pro-preview  default          2       0.2     12
gemini-3.1-pro-preview  default>200000   4       0.4     18
gemini-3.1-flash-lite   default          0.25    0.025   1.5     0.5     0.05
gemini-3.5-flash        default          1.5     0.15    9
gemini-3.5-flash-lite   default          0.3     0.03    2.5
gemini-3.6-flash        default          0.75    0.075   3.75
gemini-3.7-flash        default          0.75    0.075   3.75
gemini-3.8-flash        default          0.75    0.075   3.75
gemini-3.8-flash        flex             0.375   0.0375  1.875
gemini-3.8-flash        priority         1.35    0.135   6.75
gemini-4-argon          default          2       0.1     10
gemini-4-argon          flex             1       0.05    5
gemini-4-argon          priority         3.6     0.18    18
gemini-embedding-001    default          0.15
gemini-embedding-2      default          0.2     -       -       6.5     -       0.45
"""
