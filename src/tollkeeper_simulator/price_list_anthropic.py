"""What Anthropic's models cost: US dollars per million tokens, after Anthropic's published prices.

Source: platform.claude.com/docs/en/about-claude/pricing as of 2026-10-14, by way of genai-prices 0.2.3. Cache writes for five
minutes are 1.25 × input, for an hour 2 × input. `fast` is fast mode (`"speed": "fast"`). What else there is: batches (half),
which the simulator does not serve; US-only inference, 1.1 × all of a row's token prices, which `Job.percent` expresses; web
search, which is in `fee_list`. Priority capacity has no published price and is billed here at `default`.
"""

from __future__ import annotations

LIST = """
model              tier            input   cache_read cache_write_5m cache_write_1h output
claude-fable-5     default         10      1       12.5    20      50
claude-fable-5-1   default         10      0.25    12.5    20      50
claude-fable-5-2   default         8       0.2     10      16      40
claude-fable-5-2   fast            16      0.4     20      32      80
claude-mythos-5-2  default         8       0.2     10      16      40
claude-mythos-5-2  fast            16      0.4     20      32      80
claude-opus-5-5    default         4       0.2     5       8       20
claude-opus-5-5    fast            8       0.4     10      16      40
claude-opus-5      default         5       0.5     6.25    10      25
claude-opus-5      fast            10      1       12.5    20      50
claude-opus-4-8    default         5       0.5     6.25    10      25
claude-opus-4-8    fast            10      1       12.5    20      50
claude-opus-4-7    default         5       0.5     6.25    10      25
claude-opus-4-6    default         5       0.5     6.25    10      25
claude-opus-4-5    default         5       0.5     6.25    10      25
claude-opus-4-1    default         15      1.5     18.75   30      75
claude-sonnet-5-5  default         2       0.1     2.5     4       10
claude-sonnet-5    default         2       0.2     2.5     4       10
claude-sonnet-4-6  default         3       0.3     3.75    6       15
claude-sonnet-4-5  default         3       0.3     3.75    6       15
claude-sonnet-4-5  default>200000  6       0.6     7.5     12      22.5
claude-haiku-5-5   default         0.1     0.01    0.125   0.2     0.5
claude-haiku-5-5   default>100000  0.5     0.05    0.625   1       2.5
claude-haiku-4-5   default         1       0.1     1.25    2       5
"""
