#if canImport(SwiftUI)
import SwiftUI

/// What will happen: time, memory, storage, battery.
struct ForecastView: View {
    let state: ForecastState

    var body: some View {
        switch state {
        case .nothingToPlan: Text(Words.forecastMissing).foregroundStyle(.secondary)
        case .computing: ProgressView(Words.forecastComputing)
        case .failed(let problem): ProblemBanner(problem: problem, dismiss: nil)
        case .known(let forecast): lines(forecast)
        }
    }

    @ViewBuilder
    private func lines(_ forecast: Forecast) -> some View {
        let time = Words.duration(forecast.seconds)
        Label(
            forecast.timeIsMeasured ? Words.timeMeasured(time) : Words.timeTried(time), systemImage: "clock")
        let memory = Words.bytes(forecast.memoryBytes)
        line(
            forecast.memoryIsShort ? Words.memoryShort(memory) : Words.memory(memory), "memorychip",
            isShort: forecast.memoryIsShort)
        let storage = Words.bytes(forecast.storageBytes)
        line(
            forecast.storageIsShort ? Words.storageShort(storage) : Words.storage(storage), "internaldrive",
            isShort: forecast.storageIsShort)
        Label(Words.battery(percent: forecast.batteryPercent), systemImage: "battery.50percent")
        if forecast.priorClass.isEmpty || forecast.priorClass == "*" {
            Label(Words.noPrior, systemImage: "info.circle")
        }
    }

    private func line(_ text: String, _ symbol: String, isShort: Bool) -> some View {
        Label(text, systemImage: isShort ? "exclamationmark.triangle" : symbol)
            .foregroundStyle(isShort ? Color.red : Color.primary)
    }
}
#endif
