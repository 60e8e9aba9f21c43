//! The training loop: schedules, observers, checkpoints, exact resume.
