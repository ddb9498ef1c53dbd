import Testing

@testable import App

struct PolicyTests {
    @Test func theTable() {
        func well(_ change: (inout Conditions) -> Void) -> Conditions {
            var conditions = Conditions(batteryPercent: 80)
            change(&conditions)
            return conditions
        }
        let run = Decision(pace: .run, reason: nil)
        let table: [(Conditions, Decision)] = [
            (well { _ in }, run),
            (Conditions(), run),
            (well { $0.heat = .fair }, run),
            (well { $0.heat = .serious }, Decision(pace: .slow, reason: .hot)),
            (well { $0.heat = .critical }, Decision(pace: .pause, reason: .hot)),
            (well { ($0.heat, $0.charging) = (.critical, true) }, Decision(pace: .pause, reason: .hot)),
            (well { $0.lowPowerMode = true }, Decision(pace: .slow, reason: .lowPowerMode)),
            (well { ($0.lowPowerMode, $0.charging) = (true, true) }, run),
            (well { $0.batteryPercent = 21 }, run),
            (well { $0.batteryPercent = 20 }, Decision(pace: .slow, reason: .batteryLow)),
            (well { $0.batteryPercent = 11 }, Decision(pace: .slow, reason: .batteryLow)),
            (well { $0.batteryPercent = 10 }, Decision(pace: .pause, reason: .batteryLow)),
            (well { ($0.batteryPercent, $0.charging) = (3, true) }, run),
            (well { $0.memory = .low }, Decision(pace: .slow, reason: .memoryLow)),
            (well { $0.memory = .critical }, Decision(pace: .pause, reason: .memoryLow)),
            // The slowest counts, whatever it comes from; of equals the first.
            (
                Conditions(heat: .serious, lowPowerMode: true, batteryPercent: 5),
                Decision(pace: .pause, reason: .batteryLow)
            ),
            (
                Conditions(heat: .serious, lowPowerMode: true, batteryPercent: 15),
                Decision(pace: .slow, reason: .hot)
            ),
        ]
        for (conditions, decision) in table { #expect(decide(conditions) == decision, "\(conditions)") }
    }

    @Test func halfOfWhatIsLeftIsTheCores() {
        #expect(memoryBudget(availableBytes: 6_000) == 3_000)
    }
}
