"""Which words of a prompt a model does not read: its text encoder has so many places, and the rest is cut off."""

import string
from typing import Any


def unread_end(tokenizer: Any, prompt: str) -> str:
    """Return the end of the prompt that stands beyond the tokenizer's limit, whole words; "" where all is read.

    The first and the last place are for the tokens that begin and end every prompt: of CLIP's 77, 75 are left.
    """
    encoded = tokenizer(prompt, truncation=False, return_offsets_mapping=True, verbose=False)
    limit = tokenizer.model_max_length
    if len(encoded["input_ids"]) <= limit:
        return ""
    start = encoded["offset_mapping"][limit - 1][0]
    while start > 0 and prompt[start - 1] in string.ascii_letters and prompt[start : start + 1].isalpha():
        start -= 1  # a word of which the model reads a part only
    return prompt[start:].strip()
