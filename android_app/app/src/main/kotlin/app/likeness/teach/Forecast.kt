package app.likeness.teach

import app.likeness.runtime.Plan
import app.likeness.storage.Measured

/**
 * What teaching will take, as far as it can be told beforehand.
 *
 * @property seconds of computing, without rests; [timeIsMeasured]: from an earlier run on this phone, not from a probe
 * @property memoryBytes peak; [memoryIsShort]: more than is free now
 * @property storageBytes that teaching takes until it is done; [storageIsShort]: more than is free now
 * @property batteryPercent null until a run on this phone has shown it
 * @property priorClass whose other members keep the model's idea of the class alive: the class, another, `*` many, ""
 *   none
 */
data class Forecast(
    val seconds: Double,
    val timeIsMeasured: Boolean,
    val memoryBytes: Long,
    val memoryIsShort: Boolean,
    val storageBytes: Long,
    val storageIsShort: Boolean,
    val batteryPercent: Double?,
    val priorClass: String,
)

/** Bytes that are free on this phone right now. */
interface PhoneResources {
    fun freeMemoryBytes(): Long

    fun freeStorageBytes(): Long
}

/** [probedSecondsPerStep] counts where no earlier run was measured. */
fun forecast(plan: Plan, measured: Measured, probedSecondsPerStep: Double, phone: PhoneResources): Forecast {
    val seconds = plan.steps * (measured.secondsPerStep ?: probedSecondsPerStep)
    return Forecast(
        seconds = seconds,
        timeIsMeasured = measured.secondsPerStep != null,
        memoryBytes = plan.memoryBytes,
        memoryIsShort = plan.memoryBytes > phone.freeMemoryBytes(),
        storageBytes = plan.journalBytes,
        storageIsShort = plan.journalBytes > phone.freeStorageBytes(),
        batteryPercent = measured.percentPerHour?.let { it * seconds / 3600 },
        priorClass = plan.priorClass,
    )
}
