package app.likeness.training

import app.likeness.conditions.Conditions
import app.likeness.storage.Measurements

/** Measures a run, so that the next plan's estimate is this phone's. Times are nanoseconds of one clock. */
internal class RunMeter(private val nanos: () -> Long) {
    private var steps = 0L
    private var stepNanos = 0L
    private var last: Pair<Long, Long>? = null
    private val startedAt = nanos()
    private var percentAtStart: Int? = null
    private var percent: Int? = null
    private var wasCharging = false

    /** A step was reported; one that waited or rested in between tells nothing about speed. */
    fun onStep(step: Long, fullSpeed: Boolean) {
        val now = nanos()
        last?.takeIf { fullSpeed && step > it.first }?.let { (lastStep, lastNanos) ->
            steps += step - lastStep
            stepNanos += now - lastNanos
        }
        last = if (fullSpeed) step to now else null
    }

    fun onConditions(now: Conditions) {
        wasCharging = wasCharging || now.charging
        percent = now.batteryPercent
        if (percentAtStart == null) percentAtStart = percent
    }

    /** Keeps what was measured, where it was enough to tell. Blocks. */
    fun record(measurements: Measurements) {
        val perStep = if (steps >= FEWEST_STEPS) stepNanos / 1e9 / steps else null
        val perHour = percentPerHour()
        if (perStep != null || perHour != null) measurements.record(perStep, perHour)
    }

    private fun percentPerHour(): Double? {
        val hours = (nanos() - startedAt) / 1e9 / 3600
        val used = (percentAtStart ?: return null) - (percent ?: return null)
        return if (wasCharging || hours < FEWEST_HOURS || used < 1) null else used / hours
    }

    private companion object {
        const val FEWEST_STEPS = 5
        const val FEWEST_HOURS = 5.0 / 60
    }
}
