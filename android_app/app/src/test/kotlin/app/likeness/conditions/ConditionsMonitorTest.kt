package app.likeness.conditions

import app.likeness.await
import kotlinx.coroutines.runBlocking
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertTrue

class ConditionsMonitorTest {
    private var now = 0L
    private var phone = Conditions()
    private val monitor = ConditionsMonitor({ phone }, { now }, everyMillis = 1, warningMillis = 100)

    private fun memory(): MemoryPressure {
        monitor.refresh()
        return monitor.conditions.value.memory
    }

    @Test
    fun thePersonLookingElsewhereIsNoPressure() {
        assertFalse(monitor.onTrimMemory(TrimLevels.UI_HIDDEN))
        assertEquals(MemoryPressure.NONE, memory())
    }

    @Test
    fun aWarningCountsForAWhile() {
        assertTrue(monitor.onTrimMemory(TrimLevels.RUNNING_CRITICAL))
        assertEquals(MemoryPressure.CRITICAL, monitor.conditions.value.memory)
        now = 99
        assertEquals(MemoryPressure.CRITICAL, memory())
        now = 100
        assertEquals(MemoryPressure.NONE, memory())
    }

    @Test
    fun theWorseOfTwoWarningsCounts() {
        monitor.onTrimMemory(TrimLevels.RUNNING_CRITICAL)
        monitor.onTrimMemory(TrimLevels.RUNNING_LOW)
        assertEquals(MemoryPressure.CRITICAL, memory())
    }

    @Test
    fun aPhoneThatSaysMemoryIsLowIsBelievedWithoutAWarning() {
        phone = Conditions(memory = MemoryPressure.LOW)
        assertEquals(MemoryPressure.LOW, memory())
    }

    @Test
    fun changesAreSeenWhileItWatches() = runBlocking {
        val watching = monitor.watch(this)
        phone = Conditions(heat = Heat.SEVERE)
        monitor.conditions.await { it.heat == Heat.SEVERE }
        watching.cancel()
    }
}
