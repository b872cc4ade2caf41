"""What OpenAI's models cost: US dollars per million tokens, after OpenAI's published prices.

Source: developers.openai.com/api/docs/pricing as of 2026-10-12, by way of genai-prices 0.2.3, whose data names that page;
the priority rates up to gpt-5.4 also agree with openai.com/api-priority-processing. The first line names the
columns; a tier is written `tier>n` for the rates of the whole request once its input is longer than n tokens, and `-`
means that this model does not sell it. `flex` is half
of `default` except where OpenAI rounds (gpt-5.4, o4-mini cache read). A tier that is missing here is not for sale.
"""

from __future__ import annotations

LIST = """
model                   tier            input   cache_read cache_write_30m output input_audio output_audio
gpt-4o                  default         2.5     1.25    -       10
gpt-4o                  priority        4.25    2.125   -       17
gpt-4o-2024-05-13       default         5       -       -       15
gpt-4o-2024-05-13       priority        8.75    -       -       26.25
gpt-4o-mini             default         0.15    0.075   -       0.6
gpt-4o-mini             priority        0.25    0.125   -       1
gpt-4.1                 default         2       0.5     -       8
gpt-4.1                 priority        3.5     0.875   -       14
gpt-4.1-mini            default         0.4     0.1     -       1.6
gpt-4.1-mini            priority        0.7     0.175   -       2.8
gpt-4.1-nano            default         0.1     0.025   -       0.4
gpt-4.1-nano            priority        0.2     0.05    -       0.8
o1                      default         15      7.5     -       60
o3-mini                 default         1.1     0.55    -       4.4
o3                      default         2       0.5     -       8
o3                      flex            1       0.25    -       4
o3                      priority        3.5     0.875   -       14
o3-pro                  default         20      -       -       80
o4-mini                 default         1.1     0.275   -       4.4
o4-mini                 flex            0.55    0.138   -       2.2
o4-mini                 priority        2       0.5     -       8
gpt-5                   default         1.25    0.125   -       10
gpt-5                   flex            0.625   0.0625  -       5
gpt-5                   priority        2.5     0.25    -       20
gpt-5-mini              default         0.25    0.025   -       2
gpt-5-mini              flex            0.125   0.0125  -       1
gpt-5-mini              priority        0.45    0.045   -       3.6
gpt-5-nano              default         0.05    0.005   -       0.4
gpt-5-nano              flex            0.025   0.0025  -       0.2
gpt-5-pro               default         15      -       -       120
gpt-5.1                 default         1.25    0.125   -       10
gpt-5.1                 flex            0.625   0.0625  -       5
gpt-5.1                 priority        2.5     0.25    -       20
gpt-5.2                 default         1.75    0.175   -       14
gpt-5.2                 flex            0.875   0.0875  -       7
gpt-5.2                 priority        3.5     0.35    -       28
gpt-5.4                 default         2.5     0.25    -       15
gpt-5.4                 default>272000  5       0.5     -       22.5
gpt-5.4                 flex            1.25    0.13    -       7.5
gpt-5.4                 flex>272000     2.5     0.25    -       11.25
gpt-5.4                 priority        5       0.5     -       30
gpt-5.4-mini            default         0.75    0.075   -       4.5
gpt-5.4-mini            flex            0.375   0.0375  -       2.25
gpt-5.4-mini            priority        1.5     0.15    -       9
gpt-5.4-nano            default         0.2     0.02    -       1.25
gpt-5.4-nano            flex            0.1     0.01    -       0.625
gpt-5.4-pro             default         30      -       -       180
gpt-5.4-pro             default>272000  60      -       -       270
gpt-5.4-pro             flex            15      -       -       90
gpt-5.4-pro             flex>272000     30      -       -       135
gpt-5.5                 default         5       0.5     -       30
gpt-5.5                 default>272000  10      1       -       45
gpt-5.5                 flex            2.5     0.25    -       15
gpt-5.5                 flex>272000     5       0.5     -       22.5
gpt-5.5                 priority        12.5    1.25    -       75
gpt-5.5-pro             default         30      -       -       180
gpt-5.5-pro             default>272000  60      -       -       270
gpt-5.5-pro             flex            15      -       -       90
gpt-5.6-luna            default         0.2     0.02    0.25    1.2
gpt-5.6-luna            default>272000  0.4     0.04    0.5     1.8
gpt-5.6-luna            flex            0.1     0.01    0.125   0.6
gpt-5.6-luna            flex>272000     0.2     0.02    0.25    0.9
gpt-5.6-luna            priority        0.4     0.04    0.5     2.4
gpt-5.6-luna            priority>272000 0.8     0.08    1       3.6
gpt-5.6-sol             default         4       0.4     5       20
gpt-5.6-sol             default>272000  8       0.8     10      30
gpt-5.6-sol             flex            2       0.2     2.5     10
gpt-5.6-sol             flex>272000     4       0.4     5       15
gpt-5.6-sol             priority        8       0.8     10      40
gpt-5.6-sol             priority>272000 16      1.6     20      60
gpt-5.6-terra           default         2       0.2     2.5     12
gpt-5.6-terra           default>272000  4       0.4     5       18
gpt-5.6-terra           flex            1       0.1     1.25    6
gpt-5.6-terra           flex>272000     2       0.2     2.5     9
gpt-5.6-terra           priority        4       0.4     5       24
gpt-5.6-terra           priority>272000 8       0.8     10      36
gpt-6-astra             default         10      1       12.5    50
gpt-6-astra             default>272000  20      2       25      75
gpt-6-astra             flex            5       0.5     6.25    25
gpt-6-astra             flex>272000     10      1       12.5    37.5
gpt-6-astra             priority        20      2       25      100
gpt-6-astra             priority>272000 40      4       50      150
gpt-6-luna              default         0.1     0.01    0.125   0.5
gpt-6-luna              default>272000  0.2     0.02    0.25    0.75
gpt-6-luna              flex            0.05    0.005   0.0625  0.25
gpt-6-luna              flex>272000     0.1     0.01    0.125   0.375
gpt-6-luna              priority        0.2     0.02    0.25    1
gpt-6-luna              priority>272000 0.4     0.04    0.5     1.5
gpt-6-sol               default         2       0.2     2.5     10
gpt-6-sol               default>272000  4       0.4     5       15
gpt-6-sol               flex            1       0.1     1.25    5
gpt-6-sol               flex>272000     2       0.2     2.5     7.5
gpt-6-sol               priority        4       0.4     5       20
gpt-6-sol               priority>272000 8       0.8     10      30
gpt-6.1-sol             default         2       0.1     2.5     10
gpt-6.1-sol             default>272000  4       0.2     5       15
gpt-6.1-sol             flex            1       0.05    1.25    5
gpt-6.1-sol             flex>272000     2       0.1     2.5     7.5
gpt-6.1-sol             priority        4       0.2     5       20
gpt-6.1-sol             priority>272000 8       0.4     10      30
gpt-6.1-terra           default         1       0.05    1.25    5
gpt-6.1-terra           default>272000  2       0.1     2.5     7.5
gpt-6.1-terra           flex            0.5     0.025   0.625   2.5
gpt-6.1-terra           flex>272000     1       0.05    1.25    3.75
gpt-6.1-terra           priority        2       0.1     2.5     10
gpt-6.1-terra           priority>272000 4       0.2     5       15
gpt-4-turbo             default         10      -       -       30
gpt-4                   default         30      -       -       60
gpt-3.5-turbo           default         0.5     -       -       1.5
gpt-audio               default         2.5     -       -       10      32      64
gpt-audio-mini          default         0.6     -       -       2.4     10      20
gpt-3.5-turbo-instruct  default         1.5     -       -       2
davinci-002             default         2       -       -       2
babbage-002             default         0.4     -       -       0.4
text-embedding-3-small  default         0.02
text-embedding-3-large  default         0.13
text-embedding-ada-002  default         0.1
"""
