package app.likeness.runtime

import org.junit.Test
import java.io.File
import kotlin.reflect.KClass
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue

/** Everything that can go wrong has its class, and a message for people. */
class ErrorsTest : RuntimeTest() {
    private val engine = World.engine
    private val weights by lazy {
        val model = (parseJson(File(World.tinyBundle, "manifest.json").readText()) as Map<*, *>)["model"] as Map<*, *>
        model["weights_sha256"] as String
    }

    private inline fun <reified E : LikenessException> assertFails(message: String, noinline call: () -> Any?) {
        val error = assertFailsWith<E> { call() }
        assertTrue(message in error.message!!, "\"${error.message}\" does not say \"$message\"")
    }

    private fun open(bundle: File) = Engine.open(bundle, EngineOptions(threads = 1))

    @Test
    fun `every status of the header has its class`() {
        val header = File(World.repository, "device_runtime/include/likeness.h").readText()
        val statuses =
            Regex("LK_([A-Z_]+) = ([0-9]+)[,\\s]").findAll(header.substringBefore("} lk_status;")).associate {
                it.groupValues[2].toInt() to it.groupValues[1]
            }
        val classes: Map<String, KClass<out LikenessException>> =
            mapOf(
                "INVALID_ARGUMENT" to InvalidArgumentException::class,
                "IO" to StorageException::class,
                "CORRUPT" to CorruptFileException::class,
                "UNSUPPORTED_VERSION" to UnsupportedVersionException::class,
                "WRONG_MODEL" to WrongModelException::class,
                "OUT_OF_MEMORY" to OutOfMemoryException::class,
                "CANCELLED" to WorkCancelledException::class,
                "BUSY" to BusyException::class,
                "NOT_FINITE" to NotFiniteException::class,
                "DISK_FULL" to DiskFullException::class,
                "INTERNAL" to InternalException::class,
                "BAD_PHOTO" to BadPhotoException::class,
            )
        assertEquals(classes.keys + "OK", statuses.values.toSet())
        for ((status, name) in statuses - 0) {
            assertEquals<KClass<*>?>(classes[name], errorFor(status, "m")::class)
            assertEquals("m", errorFor(status, "m").message)
        }
        assertEquals<KClass<*>>(InternalException::class, errorFor(99, "m")::class)
    }

    @Test
    fun `bundles that are none`() {
        assertFails<StorageException>("manifest.json") { open(folder) }
        File(folder, "manifest.json").writeText("{")
        assertFails<CorruptFileException>("not JSON") { open(folder) }
    }

    @Test
    fun `bundles that are damaged`() {
        val bundle = File(folder, "bundle")
        World.tinyBundle.copyRecursively(bundle)
        val program = File(bundle, "methods/train_step.pte")
        val whole = program.readBytes()
        program.writeBytes(whole.copyOf().also { it[whole.size / 2] = (it[whole.size / 2] + 1).toByte() })
        assertFails<CorruptFileException>("SHA-256") { open(bundle) }
        program.writeBytes(whole.copyOf(whole.size - 1))
        assertFails<CorruptFileException>("bytes instead of") { open(bundle) }
        program.delete()
        assertFails<CorruptFileException>("lacks its file methods/train_step.pte") { open(bundle) }
        program.writeBytes(whole)
        open(bundle).close()
    }

    @Test
    fun `bundles of another version`() {
        val manifest = File(World.tinyBundle, "manifest.json").readText()
        val version = Regex("\"format_version\": *[0-9]+").find(manifest)!!.value
        val newer = copyBundle(World.tinyBundle, File(folder, "bundle"), version, version + "0")
        assertFails<UnsupportedVersionException>("update the app") { open(newer) }
    }

    @Test
    fun `options that cannot be`() {
        assertFails<InvalidArgumentException>("threads") { Engine.open(World.tinyBundle, EngineOptions(threads = -1)) }
    }

    @Test
    fun `adapters that are damaged, missing or of another model`() {
        val file = engine.learn(File(folder, "a.safetensors"))
        val whole = file.readBytes()
        for (length in listOf(0, 7, 8, 500, whole.size / 2, whole.size - 1)) {
            file.writeBytes(whole.copyOf(length))
            assertFailsWith<CorruptFileException>("cut at $length") { engine.loadAdapter(file) }
        }
        file.writeBytes(whole.copyOf().also { for (i in 1..16) it[it.size - i] = -1 }) // floats of ones are NaN
        assertFails<NotFiniteException>("not a finite number") { engine.loadAdapter(file) }
        file.writeBytes(whole)
        assertFails<StorageException>("missing") { engine.loadAdapter(File(folder, "missing")) }
        assertFailsWith<StorageException> { engine.loadAdapter(folder) }

        World.open(copyBundle(World.tinyBundle, File(folder, "bundle"), weights, "3".repeat(64))).use { other ->
            assertFails<WrongModelException>("3333") { other.loadAdapter(file) }
            engine.loadAdapter(file).use { adapter ->
                assertFails<WrongModelException>("loaded for the model") { other.paint(other.quickSampling(), adapter) }
            }
        }
    }

    @Test
    fun `settings of a session that cannot be`() {
        val good = engine.quickSettings()
        val bad =
            mapOf(
                good.copy(className = "") to "class_name is empty",
                good.copy(token = "") to "token is empty",
                good.copy(token = "dog</w>") to "already in use",
                good.copy(adapterKind = "other") to "it has: full, lora",
                good.copy(lrSchedule = "wild") to "wild",
                good.copy(steps = 0) to "steps is 0",
                good.copy(views = -1) to "views is -1",
                good.copy(checkpointEvery = 0) to "checkpoint_every",
                good.copy(learningRate = Double.NaN) to "learning_rate",
                good.copy(className = "very ".repeat(30) + "long") to "shorten it",
            )
        for ((settings, message) in bad) {
            assertFails<InvalidArgumentException>(message) { engine.createSession(settings, File(folder, "j")) }
        }
        assertTrue(!File(folder, "j").exists())
    }

    @Test
    fun `prompts and settings of pictures that cannot be`() {
        val good = engine.quickSampling()
        val bad =
            mapOf(
                good.copy(prompt = "dog ".repeat(23)) to "23 tokens, this model reads 22; shorten it",
                good.copy(negativePrompt = "dog ".repeat(23)) to "shorten it",
                good.copy(prompt = "x".repeat(5000)) to "prompt is too long",
                good.copy(steps = 0) to "steps is 0",
                good.copy(count = 0) to "count is 0",
                good.copy(count = 1025) to "count is 1025",
                good.copy(count = Long.MAX_VALUE) to "between 1 and 1024",
                good.copy(sampler = "wild") to "wild",
                good.copy(guidanceScale = Double.POSITIVE_INFINITY) to "guidance_scale",
            )
        for ((settings, message) in bad) assertFails<InvalidArgumentException>(message) { engine.paint(settings) }
    }

    @Test
    fun `training that diverges`() {
        val wild = engine.quickSettings().copy(steps = 40, learningRate = 1e30, maxGradNorm = 0.0)
        engine.newSession(settings = wild).use { session ->
            assertFails<NotFiniteException>("lower learning rate") { session.finish() }
        }
    }

    @Test
    fun `journals in use, taken, damaged, foreign and missing`() {
        val journal = File(folder, "j")
        engine.newSession(journal).use { first ->
            assertFails<BusyException>("another session") { engine.newSession(journal) }
            assertFails<BusyException>("another session") { engine.resumeSession(journal) }
            first.finish()
        }
        assertFails<InvalidArgumentException>("resume it, or remove") { engine.newSession(journal) }
        World.open(copyBundle(World.tinyBundle, File(folder, "bundle"), weights, "0".repeat(64))).use { other ->
            assertFails<WrongModelException>("open that model") { other.resumeSession(journal) }
        }
        val state = File(journal, "state.safetensors")
        val whole = state.readBytes()
        state.writeBytes(whole.copyOf(whole.size / 2))
        assertFailsWith<CorruptFileException> { engine.resumeSession(journal) }
        state.writeBytes(whole)
        engine.resumeSession(journal).use { assertEquals(6, it.plan.stepsDone) }
        assertFailsWith<InvalidArgumentException> { engine.resumeSession(File(folder, "none")) }
        assertFails<StorageException>("cannot make") { engine.newSession(File(state, "below-a-file")) }
    }

    @Test
    fun `a full disk`() {
        // A limit on file sizes stands for it: writing then fails as it does there.
        val limited =
            startJvm("app.likeness.runtime.FullDiskKt", File(folder, "a").path, shellPrefix = "ulimit -f 8;")
        val output = limited.inputStream.bufferedReader().readText()
        assertEquals(0, limited.waitFor(), output)
        assertTrue("DiskFullException" in output && "free some storage" in output, output)
    }

    @Test
    fun `pictures whose bytes do not fit their size`() {
        assertFailsWith<IllegalArgumentException> { Picture(2, 2, ByteArray(11)) }
        assertFailsWith<IllegalArgumentException> { Picture(0, 2, ByteArray(0)) }
        assertFailsWith<IllegalArgumentException> { Picture(-2, -2, ByteArray(12)) }
        assertFailsWith<IllegalArgumentException> { Picture(1 shl 16, 1 shl 16, ByteArray(0)) }
    }
}
