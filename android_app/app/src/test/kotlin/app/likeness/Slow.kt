package app.likeness

/** The category of tests that run the real core. */
interface Slow
