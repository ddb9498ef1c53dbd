import Foundation
import Observation

/// What the gallery shows.
struct SubjectsUiState: Sendable, Equatable {
    /// Something was done that the list alone does not show.
    enum Notice: Sendable, Equatable {
        case imported
    }

    var subjects: [Subject] = []
    /// Whether the model is there, or how far it is on its way.
    var model = ModelState.closed
    /// What the worker does, for the subject it does it for.
    var training = TrainingState()
    var importing = false
    /// An adapter that waits to be handed to another app.
    var exporting: Export?
    var notice: Notice?
    var problem: Problem?

    struct Export: Sendable, Equatable, Identifiable {
        let id: ItemID
        let file: URL
    }
}

/// The gallery: subjects that are known, that are being learned, that wait.
@MainActor @Observable
final class SubjectsViewModel {
    @ObservationIgnored private let store: SubjectStore
    @ObservationIgnored private let studios: StudioProvider
    @ObservationIgnored private let worker: TrainingWorker
    @ObservationIgnored private let adapters: AdapterImport
    @ObservationIgnored private let outgoing: Outgoing
    private var importing = false
    private var exporting: SubjectsUiState.Export?
    private var notice: SubjectsUiState.Notice?
    private var problem: Problem?

    init(
        store: SubjectStore, studios: StudioProvider, worker: TrainingWorker, adapters: AdapterImport,
        outgoing: Outgoing
    ) {
        self.store = store
        self.studios = studios
        self.worker = worker
        self.adapters = adapters
        self.outgoing = outgoing
    }

    var state: SubjectsUiState {
        SubjectsUiState(
            subjects: store.subjects, model: studios.state, training: worker.state, importing: importing,
            exporting: exporting, notice: notice, problem: problem)
    }

    /// Opens the model early, so that no other screen waits for it; again after a failure.
    func openModel() async {
        // A failure is part of the provider's state, which this screen shows.
        _ = try? await studios.get()
    }

    func previewFile(_ id: ItemID) -> URL { store.files(id).preview }

    /// What an exported adapter is called outside.
    func fileName(_ subject: Subject) -> String {
        let name = String(subject.name.map { $0.isLetter || $0.isNumber ? $0 : "-" })
        return (name.isEmpty ? "subject" : name) + ".safetensors"
    }

    /// Anyone's file.
    func importAdapter(_ file: URL) async {
        guard !importing else { return }
        importing = true
        notice = nil
        problem = nil
        do {
            _ = try await adapters.take(OutsideFile(url: file), studios.get())
            notice = .imported
        } catch {
            problem = Problem(error)
        }
        importing = false
    }

    /// Makes ``SubjectsUiState/exporting`` the adapter of `subject`; ``exported()`` ends that.
    func export(_ subject: Subject) async {
        let (files, name) = (store.files(subject.id), fileName(subject))
        do {
            let file = try await offMain { [outgoing] in
                try outgoing.lend(files.adapter, as: name, owner: subject.id)
            }
            exporting = .init(id: subject.id, file: file)
        } catch {
            problem = Problem(error)
        }
    }

    /// The other app has it, or the person thought better of it.
    func exported() async {
        guard let id = exporting?.id else { return }
        exporting = nil
        try? await offMain { [outgoing] in try outgoing.takeBack(from: id) }
    }

    /// All traces of it, at once.
    func delete(_ id: ItemID) { worker.discard(id) }

    func dismissMessage() {
        notice = nil
        problem = nil
    }
}
