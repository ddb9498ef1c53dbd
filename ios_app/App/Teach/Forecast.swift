import Likeness

/// What teaching will take, as far as it can be told beforehand.
struct Forecast: Sendable, Equatable {
    /// Of computing, without rests.
    let seconds: Double
    /// From an earlier run on this phone, not from a trial.
    let timeIsMeasured: Bool
    /// Peak.
    let memoryBytes: Int
    /// More than is free now.
    let memoryIsShort: Bool
    /// That teaching takes until it is done.
    let storageBytes: Int
    /// More than is free now.
    let storageIsShort: Bool
    /// nil until a run on this phone has shown it.
    let batteryPercent: Double?
    /// Whose other members keep the model's idea of the class alive: the class, another, `*` many, "" none.
    let priorClass: String

    /// `triedSecondsPerStep` counts where no earlier run was measured.
    init(_ plan: Plan, _ measured: Measured, triedSecondsPerStep: Double, _ phone: PhoneResources) {
        seconds = Double(plan.steps) * (measured.secondsPerStep ?? triedSecondsPerStep)
        timeIsMeasured = measured.secondsPerStep != nil
        memoryBytes = plan.memoryBytes
        memoryIsShort = plan.memoryBytes > phone.freeMemoryBytes
        storageBytes = plan.journalBytes
        storageIsShort = plan.journalBytes > phone.freeStorageBytes
        let hours = seconds / 3600
        batteryPercent = measured.percentPerHour.map { $0 * hours }
        priorClass = plan.priorClass
    }
}

/// What is free on this phone right now.
struct PhoneResources: Sendable, Equatable {
    var freeMemoryBytes: Int
    var freeStorageBytes: Int
}
