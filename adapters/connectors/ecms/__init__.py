"""The façade of TH e-GIF e-CMS 2.0: an office system that speaks it changes one URL."""
