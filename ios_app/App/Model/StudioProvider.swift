import Foundation
import Likeness
import Observation

/// The one open model of the process, opened when it is first asked for.
@MainActor @Observable
final class StudioProvider {
    private(set) var state = ModelState.closed
    @ObservationIgnored private let model: ModelFolder
    @ObservationIgnored private let open: OpenStudio
    @ObservationIgnored private var opening: Task<any Studio, any Error>?

    /// - Parameter open: opens the bundle in a folder, checking hashes or not
    init(_ model: ModelFolder, open: @escaping OpenStudio) {
        self.model = model
        self.open = open
    }

    /// The model, opened first where that is still to be done. Throws what is wrong; ask again to retry.
    func get() async throws -> any Studio {
        // A task of its own: whoever asked may leave, and the next who asks finds the model open.
        let task = opening ?? Task { try await opened() }
        opening = task
        return try await task.value
    }

    /// Frees what can be loaded again, where the model is open.
    func trim() async {
        guard state == .ready, let studio = try? await opening?.value else { return }
        try? await offMain { try studio.trim() }
    }

    private func opened() async throws -> any Studio {
        state = .opening
        do {
            let studio = try await checked()
            state = .ready
            return studio
        } catch {
            opening = nil
            state = .failed(Problem(error))
            throw error
        }
    }

    private func checked() async throws -> any Studio {
        let model = model
        if try await offMain({ try model.wasChecked() }) { return try await open(model.folder, false) }
        let studio = try await open(model.folder, true)
        // Where that cannot be noted, the next start checks again.
        try? await offMain { try model.noteChecked() }
        return studio
    }
}
