import Likeness

/// Where a subject's teaching is.
enum Stage: Sendable {
    case idle
    /// The model and the session are being opened.
    case opening
    /// Photos go through the image encoder; they are deleted afterwards.
    case encoding
    case training
    /// A checkpoint is being written.
    case stopping
    /// Stopped after a checkpoint; it can go on.
    case suspended
    case done
    case failed
}

/// Why teaching waits or rests.
enum Cause: Sendable, CaseIterable {
    case person
    case painting
    case hot
    case lowPowerMode
    case batteryLow
    case memoryLow
    /// iOS took the time away that the app had in the background.
    case system

    init(_ reason: Reason) {
        switch reason {
        case .hot: self = .hot
        case .lowPowerMode: self = .lowPowerMode
        case .batteryLow: self = .batteryLow
        case .memoryLow: self = .memoryLow
        }
    }
}

/// What the worker does.
struct TrainingState: Sendable, Equatable {
    var subjectID: ItemID?
    var stage = Stage.idle
    /// Views encoded, or steps taken …
    var step = 0
    /// … of so many.
    var steps = 0
    /// Of this phase, as the core estimates them; nil while there is no estimate.
    var secondsLeft: Double?
    /// Nothing is computed right now.
    var waiting = false
    /// Why it waits or rests; nil at full speed.
    var cause: Cause?
    /// What it would paint now; nil before the first.
    var preview: Picture?
    var problem: Problem?

    /// Something is computed or opened for it.
    var isActive: Bool {
        switch stage {
        case .opening, .encoding, .training, .stopping: true
        case .idle, .suspended, .done, .failed: false
        }
    }

    /// 0 to 1.
    var fraction: Double { steps > 0 ? Double(step) / Double(steps) : 0 }
}

/// How a subject's run ended, for whoever tells people about it.
struct Outcome: Sendable, Equatable {
    let subjectID: ItemID
    let name: String
    let stage: Stage
    let cause: Cause?
    let problem: Problem?
}
