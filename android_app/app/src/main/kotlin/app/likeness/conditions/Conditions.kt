package app.likeness.conditions

/** How hot the phone is; the order and the meaning are Android's, `PowerManager.THERMAL_STATUS_*`. */
enum class Heat { NONE, LIGHT, MODERATE, SEVERE, CRITICAL, EMERGENCY, SHUTDOWN }

/** How short memory is for this app. */
enum class MemoryPressure { NONE, LOW, CRITICAL }

/** What the phone is like right now; [batteryPercent] is 0 to 100, null where it has no battery. */
data class Conditions(
    val heat: Heat = Heat.NONE,
    val batterySaver: Boolean = false,
    val batteryPercent: Int? = null,
    val charging: Boolean = false,
    val memory: MemoryPressure = MemoryPressure.NONE,
)
