package app.likeness

import android.content.Context
import android.os.SystemClock
import app.likeness.bundle.AssetBundleSource
import app.likeness.bundle.BundleInstaller
import app.likeness.bundle.StudioProvider
import app.likeness.conditions.ConditionsMonitor
import app.likeness.conditions.PhoneConditions
import app.likeness.conditions.memoryBudget
import app.likeness.paint.Painter
import app.likeness.platform.ContentDocuments
import app.likeness.platform.MainThread
import app.likeness.platform.PosixRenamer
import app.likeness.runtime.Engine
import app.likeness.runtime.EngineOptions
import app.likeness.storage.AdapterImport
import app.likeness.storage.Disk
import app.likeness.storage.DraftStore
import app.likeness.storage.Measurements
import app.likeness.storage.MergedAdapters
import app.likeness.storage.PictureStore
import app.likeness.storage.StorageLayout
import app.likeness.storage.SubjectStore
import app.likeness.storage.Trash
import app.likeness.teach.ContentPhotoSource
import app.likeness.teach.PhoneResources
import app.likeness.teach.Planner
import app.likeness.training.TrainingWorker
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.launch

/** Every object that lives as long as the process, made once, in the order in which they need each other. */
class AppGraph(context: Context) {
    val io = Dispatchers.IO
    val scope = CoroutineScope(MainThread + SupervisorJob())
    private val phone = PhoneConditions(context)
    private val layout = StorageLayout(context.filesDir)
    private val disk = Disk(PosixRenamer)
    private val trash = Trash(layout, disk)

    val documents = ContentDocuments(context.contentResolver)
    val subjects = SubjectStore(layout, disk, trash)
    val drafts = DraftStore(layout, disk, trash)
    val pictures = PictureStore(layout, disk, trash)
    val monitor = ConditionsMonitor(phone, SystemClock::elapsedRealtime)
    val photos = ContentPhotoSource(documents, disk, layout.incoming)
    val adapters = AdapterImport(layout, disk, trash, subjects, System::currentTimeMillis)
    private val measurements = Measurements(layout, disk)

    val studios = StudioProvider(
        BundleInstaller(AssetBundleSource(context.assets), layout, disk, trash),
        layout.bundle,
        io,
    ) { folder, verifyHashes ->
        val budget = memoryBudget(phone.memoryBytes())
        Engine.open(folder, EngineOptions(verifyHashes = verifyHashes, memoryLimitBytes = budget))
    }

    /** Ends when the stores know what is on the disk. */
    val loading: Job = scope.launch(io) {
        subjects.load()
        pictures.load()
    }

    val worker = TrainingWorker(studios, subjects, disk, measurements, monitor, scope, io, loading::join)
    val painter = Painter(
        studios,
        MergedAdapters(layout, disk, subjects),
        pictures,
        io,
        System::currentTimeMillis,
    )
    val planner = Planner(studios, drafts, measurements, resources(), io)

    private fun resources() = object : PhoneResources {
        override fun freeMemoryBytes() = phone.freeMemoryBytes()

        override fun freeStorageBytes() = disk.freeBytes(layout.root)
    }
}
