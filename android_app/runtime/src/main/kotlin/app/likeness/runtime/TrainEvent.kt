package app.likeness.runtime

/** What a session does at the moment. */
enum class Phase {
    /** Every view of the photos goes through the image encoder, once. */
    ENCODING,

    /** Optimizer steps. */
    TRAINING,
}

/** What [Personalization.run] tells on the way. */
sealed interface TrainEvent {
    /**
     * @property step views encoded, or steps taken …
     * @property steps … of so many
     * @property loss of this step; 0 while encoding
     * @property secondsElapsed since this phase of this run began
     * @property secondsLeft of this phase, estimated
     */
    data class Progress(
        val phase: Phase,
        val step: Long,
        val steps: Long,
        val loss: Double,
        val secondsElapsed: Double,
        val secondsLeft: Double,
    ) : TrainEvent

    /** A [picture] painted with what was learned in [step] steps. */
    class Preview(val step: Long, val picture: Picture) : TrainEvent
}
