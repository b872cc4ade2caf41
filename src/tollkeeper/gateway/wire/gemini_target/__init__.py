"""What translations to Gemini share, whichever dialect the client speaks: its requests, answers and errors. Pure.

Wire shapes: https://ai.google.dev/api/generate-content and `google-genai` 3.4 (2026-11).
"""
