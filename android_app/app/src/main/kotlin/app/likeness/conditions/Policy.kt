package app.likeness.conditions

/** How training goes: at full speed, with rests, or not now. */
enum class Pace { RUN, SLOW, PAUSE }

/** Why it does not run at full speed. */
enum class Reason { HOT, BATTERY_SAVER, BATTERY_LOW, MEMORY_LOW }

data class Decision(val pace: Pace, val reason: Reason?)

private const val BATTERY_STOPS_PERCENT = 10
private const val BATTERY_SLOWS_PERCENT = 20

/**
 * The pace that [conditions] allow: the slowest that any of them asks for, for the first reason that asks for it.
 *
 * A charging phone spares no battery; a hot one or one short of memory rests all the same.
 */
fun decide(conditions: Conditions): Decision {
    val asked = listOf(
        Decision(paceOf(conditions.heat), Reason.HOT),
        Decision(paceOf(conditions.memory), Reason.MEMORY_LOW),
        Decision(batteryPace(conditions), Reason.BATTERY_LOW),
        Decision(saverPace(conditions), Reason.BATTERY_SAVER),
    )
    val slowest = asked.maxBy { it.pace }
    return if (slowest.pace == Pace.RUN) Decision(Pace.RUN, null) else slowest
}

private fun paceOf(heat: Heat) = when {
    heat >= Heat.SEVERE -> Pace.PAUSE
    heat == Heat.MODERATE -> Pace.SLOW
    else -> Pace.RUN
}

private fun paceOf(memory: MemoryPressure) = when (memory) {
    MemoryPressure.NONE -> Pace.RUN
    MemoryPressure.LOW -> Pace.SLOW
    MemoryPressure.CRITICAL -> Pace.PAUSE
}

private fun batteryPace(conditions: Conditions): Pace {
    val percent = conditions.batteryPercent
    return when {
        conditions.charging || percent == null -> Pace.RUN
        percent <= BATTERY_STOPS_PERCENT -> Pace.PAUSE
        percent <= BATTERY_SLOWS_PERCENT -> Pace.SLOW
        else -> Pace.RUN
    }
}

private fun saverPace(conditions: Conditions) =
    if (conditions.batterySaver && !conditions.charging) Pace.SLOW else Pace.RUN
