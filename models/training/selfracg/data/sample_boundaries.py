"""Where one sample of a packed row ends and the next begins, read off the row's special tokens.

The samples of a row come from one repository, often from one file, so a sample that saw the one before it could copy the
very text that it is to predict. With these numbers attention stays within a sample.
"""

from __future__ import annotations

import torch
from torch import Tensor

from selfracg.data.special_tokens import FIM_PREFIX, FRAGMENT, PATH


def sample_numbers(ids: Tensor) -> Tensor:
    """Number of the sample that each position belongs to, from 0, of ids [batch, seq]; the same shape.

    A sample is any number of fragments, each opened by a fragment token, and then text opened by a path token, which a
    fill-in-the-middle token may precede. So what opens starts a sample, unless a fragment was opened last.
    """
    fragment = ids == FRAGMENT
    text = (ids == PATH) | (ids == FIM_PREFIX)
    # In front of the path stands the token that has opened the sample's text already.
    text[:, 1:] &= ids[:, :-1] != FIM_PREFIX
    opens = fragment | text
    places = torch.arange(ids.shape[1], device=ids.device)
    # The last opening up to each position: twice its place, and one for a fragment; 0 before the first.
    last = torch.where(opens, 2 * places + fragment, 0).cummax(1).values
    starts = opens[:, 1:] & (last[:, :-1] % 2 == 0)
    numbers = torch.zeros(ids.shape, dtype=torch.int32, device=ids.device)
    numbers[:, 1:] = starts.cumsum(1)
    return numbers
