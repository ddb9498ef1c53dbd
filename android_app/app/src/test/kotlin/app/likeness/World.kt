package app.likeness

import app.likeness.bundle.BundleInstaller
import app.likeness.bundle.StudioProvider
import app.likeness.conditions.Conditions
import app.likeness.conditions.ConditionsMonitor
import app.likeness.fakes.DesktopRenamer
import app.likeness.fakes.FakeAdapterFile
import app.likeness.fakes.FakeBundleSource
import app.likeness.fakes.FakeDocuments
import app.likeness.fakes.FakeStudio
import app.likeness.fakes.plainPicture
import app.likeness.paint.Painter
import app.likeness.runtime.Studio
import app.likeness.storage.AdapterImport
import app.likeness.storage.Disk
import app.likeness.storage.DraftStore
import app.likeness.storage.Measurements
import app.likeness.storage.MergedAdapters
import app.likeness.storage.PictureStore
import app.likeness.storage.StorageLayout
import app.likeness.storage.Subject
import app.likeness.storage.SubjectState
import app.likeness.storage.SubjectStore
import app.likeness.storage.Trash
import app.likeness.storage.newId
import app.likeness.teach.PhoneResources
import app.likeness.teach.Planner
import app.likeness.training.Pacing
import app.likeness.training.TrainingWorker
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.cancel
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import java.io.File
import java.io.FileOutputStream
import java.io.IOException
import java.io.OutputStream
import java.util.concurrent.Executors

/** A disk that can be full: [room] bytes are left, and whatever would take more fails as Linux does. */
class TestDisk : Disk(DesktopRenamer) {
    @Volatile
    var room = Long.MAX_VALUE

    override fun freeBytes(folder: File) = room

    override fun stream(file: FileOutputStream): OutputStream = object : OutputStream() {
        override fun write(byte: Int) = write(byteArrayOf(byte.toByte()))

        override fun write(bytes: ByteArray, offset: Int, length: Int) {
            val fits = minOf(length.toLong(), room).toInt()
            file.write(bytes, offset, fits)
            room -= fits
            if (fits < length) throw IOException("write failed: ENOSPC (No space left on device)")
        }
    }
}

/** Everything below the screens, as the app's graph has it, over a folder and a studio; one process of the app. */
class World(
    val root: File,
    val fake: FakeStudio = FakeStudio(),
    pacing: Pacing = Pacing(work = 5, rest = 5, longestHold = 60_000),
    studio: Studio = fake,
) : AutoCloseable {
    private val thread = Executors.newSingleThreadExecutor().asCoroutineDispatcher()
    private val scopes = mutableListOf<CoroutineScope>()
    val io = Dispatchers.IO
    val layout = StorageLayout(root)
    val disk = TestDisk()
    val trash = Trash(layout, disk)
    val source = FakeBundleSource()
    val documents = FakeDocuments()
    val subjects = SubjectStore(layout, disk, trash)
    val drafts = DraftStore(layout, disk, trash)
    val pictures = PictureStore(layout, disk, trash)
    val measurements = Measurements(layout, disk)
    val adapters = AdapterImport(layout, disk, trash, subjects, now = { 1 })
    val installer = BundleInstaller(source, layout, disk, trash)
    val opened = mutableListOf<Boolean>()

    /** Thrown by the next opening of the model. */
    var openFailure: Exception? = null
    val studios = StudioProvider(installer, layout.bundle, io) { _, verifyHashes ->
        opened += verifyHashes
        openFailure?.let {
            openFailure = null
            throw it
        }
        studio
    }

    @Volatile
    var phone = Conditions()
    val monitor = ConditionsMonitor({ phone }, System::currentTimeMillis, everyMillis = 2, warningMillis = 200)
    val worker = TrainingWorker(
        studios, subjects, disk, measurements, monitor, newScope(), io, ready = {}, pacing = pacing,
    )
    val painter = Painter(studios, MergedAdapters(layout, disk, subjects), pictures, io) { 1 }
    val resources = object : PhoneResources {
        override fun freeMemoryBytes() = 1500L

        override fun freeStorageBytes() = disk.freeBytes(root)
    }
    val planner = Planner(studios, drafts, measurements, resources, io)

    init {
        subjects.load()
        pictures.load()
    }

    fun newScope() = CoroutineScope(thread + SupervisorJob()).also(scopes::add)

    /** Runs [test] on the thread that stands for Android's main thread. */
    fun run(test: suspend World.() -> Unit) = getting(test)

    fun <T> getting(work: suspend World.() -> T): T = runBlocking(thread) { withTimeout(60_000) { work() } }

    /** A subject with photos, not begun. */
    fun newSubject(name: String = "Minka", createdAt: Long = 1, photos: Int = 3): Subject {
        repeat(photos) { drafts.addPhoto(plainPicture(it.toLong(), 32)) }
        val token = "<my-${name.lowercase()}>"
        val subject = Subject(newId(), name, "cat", listOf(token), SubjectState.LEARNING, createdAt)
        drafts.promote(subjects, subject)
        return subject
    }

    /** A subject that can be painted. */
    fun readySubject(name: String = "Minka", tokens: List<String> = listOf("<my-${name.lowercase()}>")): Subject {
        val subject = Subject(newId(), name, "cat", tokens, SubjectState.READY, 1)
        val prepared = File(layout.incoming, subject.id)
        disk.write(File(prepared, "adapter.safetensors"), FakeAdapterFile.bytes(tokens, "cat"))
        subjects.adopt(subject, prepared)
        return subject
    }

    /** The process ends without a word; what is on the disk stays. */
    override fun close() {
        scopes.forEach { it.cancel() }
        thread.close()
    }
}

/** Waits for a state that fits; fails the test after ten seconds, saying the last one. */
suspend fun <T> Flow<T>.await(fits: (T) -> Boolean): T {
    var last: T? = null
    try {
        return withTimeout(10_000) {
            first {
                last = it
                fits(it)
            }
        }
    } catch (error: kotlinx.coroutines.TimeoutCancellationException) {
        throw AssertionError("never came; the last was $last", error)
    }
}

/** All files under a folder, by their path there. */
fun filesUnder(folder: File): Set<String> =
    folder.walk().filter(File::isFile).map { it.toRelativeString(folder) }.toSet()
