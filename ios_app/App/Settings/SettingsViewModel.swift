import Observation

/// What the screen of settings shows.
struct SettingsUiState: Sendable, Equatable {
    var settings = AppSettings()
    /// nil until the model is open.
    var modelName: String?
    /// Width and height of its pictures, in pixels.
    var imageSize: Int?
    var subjects = 0
    var pictures = 0
    /// Everything is being deleted.
    var deleting = false
    var problem: Problem?
}

/// Whether backups hold what the app knows; what model it has; deleting everything at once.
@MainActor @Observable
final class SettingsViewModel {
    @ObservationIgnored private let store: SettingsStore
    @ObservationIgnored private let studios: StudioProvider
    @ObservationIgnored private let subjects: SubjectStore
    @ObservationIgnored private let pictures: PictureStore
    @ObservationIgnored private let drafts: DraftStore
    @ObservationIgnored private let worker: TrainingWorker
    private var own = SettingsUiState()

    init(
        store: SettingsStore, studios: StudioProvider, subjects: SubjectStore, pictures: PictureStore,
        drafts: DraftStore, worker: TrainingWorker
    ) {
        self.store = store
        self.studios = studios
        self.subjects = subjects
        self.pictures = pictures
        self.drafts = drafts
        self.worker = worker
    }

    var state: SettingsUiState {
        var state = own
        state.subjects = subjects.subjects.count
        state.pictures = pictures.pictures.count
        return state
    }

    func load() async {
        own.settings = await offMain { [store] in store.read() }
        // Why the model does not open, the gallery says.
        guard let info = try? await studios.get().info else { return }
        own.modelName = info.modelName
        own.imageSize = info.imageSize
    }

    func setKeepOutOfBackups(_ keep: Bool) async {
        let before = own.settings
        own.settings.keepOutOfBackups = keep
        let settings = own.settings
        await trying(orBack: before) { try await offMain { [store] in try store.write(settings) } }
    }

    /// Subjects, pictures and the draft; what is learning stops first.
    func deleteEverything() async {
        guard !own.deleting else { return }
        own.deleting = true
        subjects.subjects.forEach { worker.discard($0.id) }
        await worker.finished()
        await trying(orBack: own.settings) {
            for subject in subjects.subjects { try await subjects.delete(subject.id) }
            for picture in pictures.pictures { try await pictures.delete(picture.id) }
            try await offMain { [drafts] in try drafts.clear() }
        }
        own.deleting = false
    }

    func dismissProblem() { own.problem = nil }

    private func trying(orBack settings: AppSettings, _ work: () async throws -> Void) async {
        own.problem = nil
        do {
            try await work()
        } catch {
            own.settings = settings
            own.problem = Problem(error)
        }
    }
}
