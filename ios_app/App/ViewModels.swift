/// Makes the screens' view models over the graph. Those of the tabs live as long as the app; a screen keeps its own as
/// long as it shows.
@MainActor
final class ViewModels {
    let subjects: SubjectsViewModel
    let paint: PaintViewModel
    let pictures: PicturesViewModel
    private let graph: AppGraph

    init(_ graph: AppGraph) {
        self.graph = graph
        subjects = SubjectsViewModel(
            store: graph.subjects, studios: graph.studios, worker: graph.worker, adapters: graph.adapters,
            outgoing: graph.outgoing)
        paint = PaintViewModel(
            subjects: graph.subjects, pictures: graph.pictures, painter: graph.painter, worker: graph.worker)
        pictures = PicturesViewModel(store: graph.pictures)
    }

    func teach() -> TeachViewModel {
        TeachViewModel(
            drafts: graph.drafts, subjects: graph.subjects, planner: graph.planner, now: graph.now,
            teach: { [graph] in graph.teach($0) })
    }

    func training(_ id: ItemID) -> TrainingViewModel {
        TrainingViewModel(
            id, subjects: graph.subjects, worker: graph.worker, teach: { [graph] in graph.teach($0) })
    }

    func picture(_ id: ItemID) -> PictureViewModel {
        PictureViewModel(id, store: graph.pictures, library: graph.photoLibrary, outgoing: graph.outgoing)
    }

    func settings() -> SettingsViewModel {
        SettingsViewModel(
            store: graph.settings, studios: graph.studios, subjects: graph.subjects, pictures: graph.pictures,
            drafts: graph.drafts, worker: graph.worker)
    }
}
