package app.likeness.conditions

import kotlin.test.Test
import kotlin.test.assertEquals

class PolicyTest {
    private val well = Conditions(batteryPercent = 80)

    @Test
    fun theTable() {
        val table = mapOf(
            well to Decision(Pace.RUN, null),
            Conditions() to Decision(Pace.RUN, null),
            well.copy(heat = Heat.LIGHT) to Decision(Pace.RUN, null),
            well.copy(heat = Heat.MODERATE) to Decision(Pace.SLOW, Reason.HOT),
            well.copy(heat = Heat.SEVERE) to Decision(Pace.PAUSE, Reason.HOT),
            well.copy(heat = Heat.CRITICAL) to Decision(Pace.PAUSE, Reason.HOT),
            well.copy(heat = Heat.EMERGENCY) to Decision(Pace.PAUSE, Reason.HOT),
            well.copy(heat = Heat.SHUTDOWN) to Decision(Pace.PAUSE, Reason.HOT),
            well.copy(heat = Heat.SEVERE, charging = true) to Decision(Pace.PAUSE, Reason.HOT),
            well.copy(batterySaver = true) to Decision(Pace.SLOW, Reason.BATTERY_SAVER),
            well.copy(batterySaver = true, charging = true) to Decision(Pace.RUN, null),
            well.copy(batteryPercent = 21) to Decision(Pace.RUN, null),
            well.copy(batteryPercent = 20) to Decision(Pace.SLOW, Reason.BATTERY_LOW),
            well.copy(batteryPercent = 11) to Decision(Pace.SLOW, Reason.BATTERY_LOW),
            well.copy(batteryPercent = 10) to Decision(Pace.PAUSE, Reason.BATTERY_LOW),
            well.copy(batteryPercent = 3, charging = true) to Decision(Pace.RUN, null),
            well.copy(memory = MemoryPressure.LOW) to Decision(Pace.SLOW, Reason.MEMORY_LOW),
            well.copy(memory = MemoryPressure.CRITICAL) to Decision(Pace.PAUSE, Reason.MEMORY_LOW),
            // The slowest counts, whatever it comes from.
            Conditions(Heat.MODERATE, batterySaver = true, batteryPercent = 5) to
                Decision(Pace.PAUSE, Reason.BATTERY_LOW),
            Conditions(Heat.MODERATE, batterySaver = true, batteryPercent = 15) to Decision(Pace.SLOW, Reason.HOT),
        )
        table.forEach { (conditions, decision) -> assertEquals(decision, decide(conditions), "$conditions") }
    }

    @Test
    fun inTheBackgroundOnlyWorkKeepsTheModelLoaded() {
        assertEquals(false, freesIdleMemory(TrimLevels.UI_HIDDEN, working = false))
        assertEquals(true, freesIdleMemory(TrimLevels.BACKGROUND, working = false))
        assertEquals(false, freesIdleMemory(TrimLevels.BACKGROUND, working = true))
    }

    @Test
    fun aThirdOfTheMemoryIsTheCores() = assertEquals(2_000, memoryBudget(6_000))

    @Test
    fun trimLevels() {
        val table = mapOf(
            TrimLevels.RUNNING_MODERATE to null,
            TrimLevels.RUNNING_LOW to MemoryPressure.LOW,
            TrimLevels.RUNNING_CRITICAL to MemoryPressure.CRITICAL,
            TrimLevels.UI_HIDDEN to null,
            TrimLevels.BACKGROUND to null,
            TrimLevels.MODERATE to MemoryPressure.LOW,
            TrimLevels.COMPLETE to MemoryPressure.CRITICAL,
        )
        table.forEach { (level, pressure) -> assertEquals(pressure, memoryPressureOf(level), "level $level") }
    }
}
