import Testing

@testable import App

struct RunMeterTests {
    @Test func secondsPerStepWithoutWaits() {
        var meter = RunMeter(startedAt: .zero)
        for step in 1...10 { meter.onStep(step, fullSpeed: true, at: .seconds(2 * step)) }
        meter.onStep(11, fullSpeed: false, at: .seconds(20))
        meter.onStep(12, fullSpeed: true, at: .seconds(1020))
        meter.onStep(14, fullSpeed: true, at: .seconds(1024))
        #expect(meter.measured(at: .seconds(1024)) == Measured(secondsPerStep: 2))
    }

    @Test func aFewStepsTellNothing() {
        var meter = RunMeter(startedAt: .zero)
        meter.onStep(1, fullSpeed: true, at: .zero)
        meter.onStep(3, fullSpeed: true, at: .seconds(9))
        #expect(meter.measured(at: .seconds(9)) == Measured())
    }

    @Test func batteryOfALongRunWithoutACharger() {
        var meter = RunMeter(startedAt: .zero)
        meter.onConditions(Conditions(batteryPercent: 80))
        meter.onConditions(Conditions(batteryPercent: 70))
        #expect(meter.measured(at: .seconds(1800)) == Measured(percentPerHour: 20))
    }

    @Test func aShortRunOrAChargedOneTellsNothingOfTheBattery() {
        var meter = RunMeter(startedAt: .zero)
        meter.onConditions(Conditions(batteryPercent: 80))
        meter.onConditions(Conditions(batteryPercent: 79))
        #expect(meter.measured(at: .seconds(60)) == Measured())
        meter.onConditions(Conditions(batteryPercent: 79, charging: true))
        meter.onConditions(Conditions(batteryPercent: 60))
        #expect(meter.measured(at: .seconds(7200)) == Measured())
    }
}
