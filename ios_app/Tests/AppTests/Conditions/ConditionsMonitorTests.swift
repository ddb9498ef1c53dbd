import Testing

@testable import App

@MainActor
struct ConditionsMonitorTests {
    private let phone = FakeConditions()
    private let monitor: ConditionsMonitor

    init() {
        monitor = ConditionsMonitor(phone, every: .milliseconds(1), warning: .milliseconds(500))
    }

    @Test func aWarningCountsForAWhile() async throws {
        monitor.memoryWarning()
        #expect(monitor.conditions.memory == .critical)
        monitor.refresh()
        #expect(monitor.conditions.memory == .critical)
        try await Task.sleep(for: .milliseconds(510))
        monitor.refresh()
        #expect(monitor.conditions.memory == .none)
    }

    @Test func aPhoneThatSaysMemoryIsLowIsBelievedWithoutAWarning() {
        phone.phone.memory = .low
        monitor.refresh()
        #expect(monitor.conditions.memory == .low)
    }

    @Test func changesAreSeenWhileItWatchesAndToldOnce() async throws {
        var told: [Conditions] = []
        monitor.onChange = { told.append($0) }
        let watching = Task { await monitor.watch() }
        phone.phone.heat = .serious
        try await wait(for: { monitor.conditions }) { $0.heat == .serious }
        try await Task.sleep(for: .milliseconds(20))
        watching.cancel()
        await watching.value
        #expect(told == [Conditions(heat: .serious)])
    }
}
