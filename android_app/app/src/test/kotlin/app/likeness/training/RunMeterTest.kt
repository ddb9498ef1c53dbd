package app.likeness.training

import app.likeness.WorldTest
import app.likeness.conditions.Conditions
import app.likeness.storage.Measured
import kotlin.test.Test
import kotlin.test.assertEquals

class RunMeterTest : WorldTest() {
    private var seconds = 0.0
    private val meter = RunMeter { (seconds * 1e9).toLong() }

    private fun recorded(): Measured {
        meter.record(world.measurements)
        return world.measurements.read()
    }

    @Test
    fun secondsPerStepWithoutWaits() {
        for (step in 1L..10) {
            seconds += 2
            meter.onStep(step, fullSpeed = true)
        }
        meter.onStep(11, fullSpeed = false)
        seconds += 1000
        meter.onStep(12, fullSpeed = true)
        seconds += 4
        meter.onStep(14, fullSpeed = true)
        assertEquals(2.0, recorded().secondsPerStep)
    }

    @Test
    fun aFewStepsTellNothing() {
        meter.onStep(1, fullSpeed = true)
        seconds = 9.0
        meter.onStep(3, fullSpeed = true)
        assertEquals(Measured(), recorded())
    }

    @Test
    fun batteryOfALongRunWithoutACharger() {
        meter.onConditions(Conditions(batteryPercent = 80))
        seconds = 1800.0
        meter.onConditions(Conditions(batteryPercent = 70))
        assertEquals(20.0, recorded().percentPerHour)
    }

    @Test
    fun aShortRunOrAChargedOneTellsNothingOfTheBattery() {
        meter.onConditions(Conditions(batteryPercent = 80))
        seconds = 60.0
        meter.onConditions(Conditions(batteryPercent = 79))
        assertEquals(Measured(), recorded())
        meter.onConditions(Conditions(batteryPercent = 79, charging = true))
        seconds = 7200.0
        meter.onConditions(Conditions(batteryPercent = 60))
        assertEquals(Measured(), recorded())
    }
}
