import Likeness
import Observation

/// Puts a subject together: photos, a name, what it is; shows what teaching will take, and starts it.
@MainActor @Observable
final class TeachViewModel {
    /// Typing pauses that long before anything is saved or computed.
    private static let typing = Duration.milliseconds(300)

    private(set) var state = TeachUiState()

    @ObservationIgnored private let drafts: DraftStore
    @ObservationIgnored private let subjects: SubjectStore
    @ObservationIgnored private let planner: Planner
    @ObservationIgnored private let now: () -> Int
    @ObservationIgnored private let teach: (Subject) -> Void
    @ObservationIgnored private var loading: Task<Void, Never>?
    @ObservationIgnored private var planning: Task<Void, Never>?
    @ObservationIgnored private var saving: Task<Void, Never>?

    /// - Parameters:
    ///   - now: milliseconds since 1970
    ///   - teach: begins to teach a subject that a person just put together
    init(
        drafts: DraftStore, subjects: SubjectStore, planner: Planner, now: @escaping () -> Int,
        teach: @escaping (Subject) -> Void
    ) {
        self.drafts = drafts
        self.subjects = subjects
        self.planner = planner
        self.now = now
        self.teach = teach
        loading = Task { await load() }
    }

    func setName(_ name: String) {
        state.name = Names.cut(name, Names.mostName)
        saveNames()
    }

    func setClassName(_ className: String) {
        state.className = Names.cut(className, Names.mostClass)
        saveNames()
        plan()
    }

    /// `picked` as the photo picker gave them; more than there is room for are left out.
    func addPhotos(_ picked: [any PickedPhoto]) async {
        await loading?.value
        guard state.canAdd, !picked.isEmpty else { return }
        let chosen = picked.prefix(TeachUiState.mostPhotos - state.photos.count)
        state.refused = 0
        state.problem = nil
        for (index, photo) in chosen.enumerated() {
            state.adding = .init(done: index, total: chosen.count)
            await add(photo)
        }
        await refreshPhotos()
        state.adding = nil
        plan()
    }

    func removePhoto(_ number: Int) async {
        await trying { try await offMain { [drafts] in try drafts.removePhoto(number) } }
        await refreshPhotos()
        plan()
    }

    /// For the view's thumbnails; nil where the photo was removed meanwhile.
    func photo(_ number: Int) async -> Picture? {
        try? await offMain { [drafts] in try drafts.readPhoto(number) }
    }

    /// Forgets the draft and its photos.
    func discard() async {
        planning?.cancel()
        saving?.cancel()
        await saving?.value
        await trying {
            try await offMain { [drafts] in try drafts.clear() }
            state = TeachUiState(loaded: true, classes: state.classes, discarded: true)
        }
    }

    func dismissProblem() {
        state.problem = nil
        state.refused = 0
    }

    func start() async {
        guard state.canStart else { return }
        state.starting = true
        state.problem = nil
        saving?.cancel()
        await saving?.value
        await trying {
            let subject = newSubject()
            let prepared = try await offMain { [drafts] in try drafts.prepared() }
            try await subjects.adopt(subject, prepared)
            teach(subject)
            state.startedID = subject.id
        }
        state.starting = false
    }

    private func load() async {
        let draft = await offMain { [drafts] in drafts.read() }
        state.name = draft.name
        state.className = draft.className
        state.photos = draft.photos
        state.loaded = true
        plan()
        Task { await trying { state.classes = try await planner.classes() } }
    }

    private func newSubject() -> Subject {
        let name = Names.clean(state.name)
        return Subject(
            id: ItemID(), name: name, className: cleanClass,
            tokens: [Names.token(for: name, taken: subjects.takenTokens)], state: .learning, createdAt: now())
    }

    private var cleanClass: String { Names.clean(state.className, most: Names.mostClass).lowercased() }

    private func add(_ photo: any PickedPhoto) async {
        do {
            let picture = try await photo.picture()
            try await planner.check(picture)
            try await offMain { [drafts] in try drafts.addPhoto(picture) }
        } catch {
            state.refused += 1
            state.problem = Problem(error)
        }
    }

    private func refreshPhotos() async {
        state.photos = await offMain { [drafts] in drafts.read() }.photos
    }

    /// Saved in order, and only the last of many quick changes.
    private func saveNames() {
        saving?.cancel()
        let before = saving
        saving = Task {
            await before?.value
            try? await Task.sleep(for: Self.typing)
            guard !Task.isCancelled else { return }
            let (name, className) = (state.name, state.className)
            await trying { try await offMain { [drafts] in try drafts.setNames(name, className) } }
        }
    }

    private func plan() {
        planning?.cancel()
        let (className, photos) = (cleanClass, state.photos)
        guard !photos.isEmpty, !className.isEmpty else {
            state.forecast = .nothingToPlan
            return
        }
        state.forecast = .computing
        planning = Task {
            try? await Task.sleep(for: Self.typing)
            guard !Task.isCancelled else { return }
            let forecast = await forecast(className, photos)
            if !Task.isCancelled { state.forecast = forecast }
        }
    }

    private func forecast(_ className: String, _ photos: [Int]) async -> ForecastState {
        do {
            return .known(try await planner.forecast(className, photos))
        } catch {
            return .failed(Problem(error))
        }
    }

    private func trying(_ work: () async throws -> Void) async {
        do {
            try await work()
        } catch {
            state.problem = Problem(error)
        }
    }
}
