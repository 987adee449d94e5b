//! What is handed over, without running it.
