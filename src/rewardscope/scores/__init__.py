"""How well explanations and features predict what they speak of."""
