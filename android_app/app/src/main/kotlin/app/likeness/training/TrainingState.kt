package app.likeness.training

import app.likeness.conditions.Reason
import app.likeness.problem.Problem
import app.likeness.runtime.Picture

/** Where a subject's teaching is. */
enum class Stage {
    IDLE,

    /** The model and the session are being opened. */
    OPENING,

    /** Photos go through the image encoder; they are deleted afterwards. */
    ENCODING,
    TRAINING,

    /** A checkpoint is being written. */
    STOPPING,

    /** Stopped after a checkpoint; it can go on. */
    SUSPENDED,
    DONE,
    FAILED,
}

/** Why teaching waits or rests. */
enum class Cause { PERSON, PAINTING, HOT, BATTERY_SAVER, BATTERY_LOW, MEMORY_LOW, TIME_LIMIT, SYSTEM }

internal fun causeOf(reason: Reason): Cause = when (reason) {
    Reason.HOT -> Cause.HOT
    Reason.BATTERY_SAVER -> Cause.BATTERY_SAVER
    Reason.BATTERY_LOW -> Cause.BATTERY_LOW
    Reason.MEMORY_LOW -> Cause.MEMORY_LOW
}

/**
 * What the worker does.
 *
 * @property step views encoded, or steps taken, of [steps]
 * @property secondsLeft of this phase, as the core estimates them; null while there is no estimate
 * @property waiting nothing is computed right now
 * @property cause why it waits or rests; null at full speed
 * @property preview what it would paint now; null before the first
 */
data class TrainingState(
    val subjectId: String? = null,
    val stage: Stage = Stage.IDLE,
    val step: Long = 0,
    val steps: Long = 0,
    val secondsLeft: Double? = null,
    val waiting: Boolean = false,
    val cause: Cause? = null,
    val preview: Picture? = null,
    val problem: Problem? = null,
) {
    /** Something is computed or opened for it. */
    val isActive: Boolean
        get() = stage == Stage.OPENING || stage == Stage.ENCODING || stage == Stage.TRAINING || stage == Stage.STOPPING

    /** 0 to 1000. */
    val permille: Int get() = if (steps > 0) (1000 * step / steps).toInt() else 0
}

/** How a subject's run ended, for whoever tells people about it. */
data class Outcome(val subjectId: String, val name: String, val stage: Stage, val cause: Cause?, val problem: Problem?)
