package app.likeness.runtime

import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import org.junit.Rule
import org.junit.rules.TemporaryFolder
import org.junit.rules.Timeout
import java.io.File
import java.util.Random

const val TOKEN = "<my-dog>"

/** Where things are; android_app/tools/test_runtime.sh sets the property and makes the bundles. */
object World {
    val repository =
        File(System.getProperty("likeness.repository") ?: error("run the tests with android_app/tools/test_runtime.sh"))

    /** A very small model's bundle: everything takes milliseconds, pictures are noise. */
    val tinyBundle = bundle("tiny")

    /** The bundle of the model that is shipped. */
    val defaultBundle = bundle("default")

    /** Open for all tests; nobody closes it. */
    val engine: Engine by lazy { open(tinyBundle) }

    /** All engines of a process share their threads: every test opens with one. */
    fun open(bundle: File) = Engine.open(bundle, EngineOptions(verifyHashes = false, threads = 1))

    private fun bundle(name: String) = File(repository, "build/test_bundles/$name/bundle")
}

/** A temporary folder for each test, and an end for those that would hang. */
abstract class RuntimeTest {
    @get:Rule
    val temporary = TemporaryFolder()

    @get:Rule
    val timeout: Timeout = Timeout.seconds(180)

    val folder: File get() = temporary.root
}

/** A smooth picture, always the same for a [seed]: between random corners of a coarse grid. */
fun photo(seed: Long = 0, width: Int = 80, height: Int = 70): Picture {
    val cells = 4
    val corners = ByteArray((cells + 1) * (cells + 1) * 3).also { Random(seed).nextBytes(it) }

    fun corner(x: Int, y: Int, channel: Int) = corners[(y * (cells + 1) + x) * 3 + channel].toInt() and 0xFF

    val rgb =
        ByteArray(width * height * 3) { index ->
            val pixel = index / 3
            val x = (pixel % width) * cells.toDouble() / width
            val y = (pixel / width) * cells.toDouble() / height
            val (left, top) = x.toInt() to y.toInt()
            val (right, below) = x - left to y - top

            fun row(down: Int) =
                corner(left, top + down, index % 3) * (1 - right) + corner(left + 1, top + down, index % 3) * right
            (row(0) * (1 - below) + row(1) * below).toInt().toByte()
        }
    return Picture(width, height, rgb)
}

/** Settings of a session that takes a moment. */
fun Engine.quickSettings() =
    trainSettings(className = "dog", token = TOKEN).copy(steps = 6, views = 5, seed = 11, checkpointEvery = 2)

fun Engine.newSession(journal: File? = null, settings: TrainSettings = quickSettings()): Session =
    createSession(settings, journal).also { session -> repeat(2) { session.addPhoto(photo(it.toLong())) } }

/** Runs to the end. */
fun Personalization.finish(): List<TrainEvent> = runBlocking { run().toList() }

fun Session.adapterBytes(): ByteArray {
    val file = File.createTempFile("adapter", ".safetensors")
    try {
        saveAdapter(file)
        return file.readBytes()
    } finally {
        file.delete()
    }
}

/** An adapter file of a quick session. */
fun Engine.learn(file: File, settings: TrainSettings = quickSettings()): File {
    newSession(settings = settings).use { session ->
        session.finish()
        session.saveAdapter(file)
    }
    return file
}

fun Engine.quickSampling(prompt: String = "a photo of a dog") = sampleSettings(prompt).copy(steps = 3, seed = 5)

fun Studio.paint(settings: SampleSettings, adapter: Adapter? = null): List<Picture> =
    runBlocking { generate(settings, adapter).toList() }.last().let { (it as GenerateEvent.Pictures).pictures }

/** A copy of [bundle] in whose manifest the first [old] is [new]. */
fun copyBundle(bundle: File, target: File, old: String, new: String): File {
    bundle.copyRecursively(target)
    val manifest = File(target, "manifest.json")
    val text = manifest.readText()
    check(old in text) { "the manifest has no $old" }
    manifest.writeText(text.replaceFirst(old, new))
    return target
}

/** Where a child JVM of a test begins. */
fun startJvm(mainClass: String, vararg arguments: String, shellPrefix: String = ""): Process {
    val java = File(System.getProperty("java.home"), "bin/java").path
    val properties =
        listOf("java.library.path", "likeness.repository").map { "-D$it=${System.getProperty(it)}" }
    val command =
        listOf(java, "-Xcheck:jni", "-XX:-UsePerfData") + properties +
            listOf("-cp", System.getProperty("java.class.path"), mainClass) + arguments
    return ProcessBuilder(listOf("sh", "-c", "$shellPrefix exec \"\$@\"", "sh") + command)
        .redirectErrorStream(true)
        .start()
}
