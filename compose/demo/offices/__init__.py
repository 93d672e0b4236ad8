"""The offices of the demonstration: each works through one door of its adapter, and knows nothing of the others."""
