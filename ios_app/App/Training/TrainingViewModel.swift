import Foundation
import Observation

/// What the screen shows of one subject's learning.
struct TrainingUiState: Sendable, Equatable {
    /// nil where it was deleted; the screen is done.
    var subject: Subject?
    /// Of this subject; where the worker does another, or nothing, what the disk says.
    var training = TrainingState()

    var isHeld: Bool { runs && training.cause == .person }
    var canPause: Bool { runs && !isHeld }
    var canGoOn: Bool {
        isHeld || training.stage == .suspended || training.stage == .failed || isWaitingForTurn
    }
    var canKeepSoFar: Bool { training.stage == .training }
    var canDiscard: Bool { training.stage != .stopping && training.stage != .done }

    private var runs: Bool { training.stage == .encoding || training.stage == .training }

    /// Not begun in this process.
    private var isWaitingForTurn: Bool { training.stage == .idle && subject?.state == .learning }
}

/// How far one subject is; pause, go on, keep what is learned so far, or throw away.
@MainActor @Observable
final class TrainingViewModel {
    let id: ItemID
    @ObservationIgnored private let subjects: SubjectStore
    @ObservationIgnored private let worker: TrainingWorker
    @ObservationIgnored private let teach: (Subject) -> Void

    /// - Parameter teach: goes on teaching a subject, which a person just asked for
    init(_ id: ItemID, subjects: SubjectStore, worker: TrainingWorker, teach: @escaping (Subject) -> Void) {
        self.id = id
        self.subjects = subjects
        self.worker = worker
        self.teach = teach
    }

    var state: TrainingUiState {
        let subject = subjects.find(id)
        let working = worker.state
        return TrainingUiState(subject: subject, training: working.subjectID == id ? working : stored(subject))
    }

    func pause() { worker.pause() }

    func goOn() {
        if let subject = subjects.find(id) { teach(subject) }
    }

    func keepSoFar() { worker.keepSoFar() }

    func discard() { worker.discard(id) }

    private func stored(_ subject: Subject?) -> TrainingState {
        guard let subject, subject.state == .learning else {
            return TrainingState(subjectID: id, stage: subject?.state == .ready ? .done : .idle)
        }
        let record = subject.resume
        return TrainingState(
            subjectID: id, stage: record.problem != nil ? .failed : record.held ? .suspended : .idle,
            step: record.step, steps: record.steps, cause: record.held ? .person : nil,
            problem: record.problem.map { Problem($0) })
    }
}
