import Foundation
import Likeness

/// Every object that lives as long as the process, made once, in the order in which they need each other.
@MainActor
final class AppGraph {
    let layout: StorageLayout
    let disk: Disk
    let trash: Trash
    let subjects: SubjectStore
    let pictures: PictureStore
    let drafts: DraftStore
    let measurements: Measurements
    let settings: SettingsStore
    let outgoing: Outgoing
    let adapters: AdapterImport
    let studios: StudioProvider
    let monitor: ConditionsMonitor
    let worker: TrainingWorker
    let keeper: BackgroundKeeper
    let painter: Painter
    let planner: Planner
    let photoLibrary: any PhotoLibrary
    let now: () -> Int
    private let loading: Task<Void, Never>

    /// - Parameters:
    ///   - model: the folder of the bundle
    ///   - monitor: of the platform's conditions
    init(
        _ platform: Platform, layout: StorageLayout, model: URL, pacing: Pacing = Pacing(), monitor: ConditionsMonitor,
        open: @escaping OpenStudio
    ) {
        self.layout = layout
        disk = Disk(volume: platform.volume)
        trash = Trash(layout: layout, disk: disk)
        subjects = SubjectStore(layout: layout, disk: disk, trash: trash)
        pictures = PictureStore(layout: layout, disk: disk, trash: trash)
        drafts = DraftStore(layout: layout, disk: disk, trash: trash)
        measurements = Measurements(layout: layout, disk: disk)
        settings = SettingsStore(layout: layout, disk: disk, backups: platform.backups)
        outgoing = Outgoing(layout: layout, disk: disk, trash: trash)
        adapters = AdapterImport(layout: layout, disk: disk, trash: trash, subjects: subjects, now: platform.now)
        studios = StudioProvider(ModelFolder(folder: model, layout: layout, disk: disk), open: open)
        self.monitor = monitor
        photoLibrary = platform.photoLibrary
        now = platform.now

        let loading = Task { [subjects, pictures, settings] in
            // Where that fails, the next start tries again, and the settings' screen says so when it is asked to.
            try? await offMain { try settings.apply() }
            await subjects.load()
            await pictures.load()
        }
        self.loading = loading
        let ready: () async -> Void = { await loading.value }
        worker = TrainingWorker(
            studios: studios, subjects: subjects, disk: disk, measurements: measurements, monitor: monitor,
            pacing: pacing, ready: ready)
        keeper = BackgroundKeeper(worker: worker, time: platform.backgroundTime, ready: ready)
        let merged = MergedAdapters(layout: layout, disk: disk, trash: trash, subjects: subjects)
        painter = Painter(studios: studios, merged: merged, pictures: pictures, now: platform.now)
        let (volume, freeMemory) = (platform.volume, platform.freeMemoryBytes)
        planner = Planner(studios: studios, drafts: drafts, measurements: measurements) {
            PhoneResources(freeMemoryBytes: freeMemory(), freeStorageBytes: volume.freeBytes(at: layout.root))
        }
    }

    /// Returns when the stores know what is on the disk.
    func ready() async {
        await loading.value
    }

    /// A person has asked for it: the worker begins, and iOS is asked to let it go on behind other apps.
    func teach(_ subject: Subject) {
        worker.start(subject.id)
        keeper.taught(subject)
    }

    /// iOS says that memory is short: training waits, and what can be loaded again goes.
    func memoryWarning() async {
        monitor.memoryWarning()
        await studios.trim()
    }
}
