package app.likeness.storage

import app.likeness.WorldTest
import app.likeness.fakes.plainPicture
import app.likeness.runtime.Picture
import java.io.File
import java.io.IOException
import javax.imageio.ImageIO
import kotlin.random.Random
import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

/** The formats: properties, photos, PNG. */
class FilesTest : WorldTest() {
    private val picture = Random(1).let { random -> Picture(37, 21, random.nextBytes(3 * 37 * 21)) }

    @Test
    fun pngIsReadByAnotherReader() {
        val read = ImageIO.read(Png.encode(picture).inputStream())
        assertEquals(37 to 21, read.width to read.height)
        val rgb = ByteArray(picture.rgb.size) { index ->
            val pixel = index / 3
            (read.getRGB(pixel % 37, pixel / 37) shr (16 - 8 * (index % 3))).toByte()
        }
        assertContentEquals(picture.rgb, rgb)
    }

    @Test
    fun aPlainPngIsSmall() = assert(Png.encode(plainPicture(1, 512)).size < 20_000)

    @Test
    fun photosComeBack() {
        val file = File(root, "photo.ppm")
        PhotoFile.write(world.disk, file, picture)
        val read = PhotoFile.read(file)
        assertEquals(37 to 21, read.width to read.height)
        assertContentEquals(picture.rgb, read.rgb)
    }

    @Test
    fun damagedPhotosAreRefused() {
        val file = File(root, "photo.ppm")
        PhotoFile.write(world.disk, file, picture)
        val whole = file.readBytes()
        val damaged = listOf(
            whole.copyOf(whole.size - 1),
            "P6\n99999 99999\n255\n".toByteArray(),
            "P6\n-1 5\n255\n".toByteArray(),
            "P5\n1 1\n255\nabc".toByteArray(),
            "P6\n1 1\n65535\nabcdef".toByteArray(),
            ByteArray(0),
        )
        damaged.forEach {
            file.writeBytes(it)
            assertFailsWith<IOException> { PhotoFile.read(file) }
        }
    }

    @Test
    fun propertiesKeepAnyText() {
        val file = File(root, "a.properties")
        val values = mapOf("name" to "Łucja 🐈\n= #! \\u0041", "empty" to "", "class" to " spaced ")
        PropertiesFile.write(world.disk, file, values)
        assertEquals(values, PropertiesFile.read(file))
    }

    @Test
    fun damagedPropertiesAreAnIOException() {
        val file = File(root, "a.properties")
        file.writeText("name=\\u12")
        assertFailsWith<IOException> { PropertiesFile.read(file) }
        file.writeBytes(ByteArray(300 * 1024) { 'a'.code.toByte() })
        assertFailsWith<IOException> { PropertiesFile.read(file) }
        assertFailsWith<IOException> { PropertiesFile.read(File(root, "missing")) }
    }

    @Test
    fun measurementsKeepWhatIsNotMeasuredAnew() {
        assertEquals(Measured(), world.measurements.read())
        world.measurements.record(2.5, null)
        world.measurements.record(null, 30.0)
        assertEquals(Measured(2.5, 30.0), world.measurements.read())
        world.layout.measurements.writeText("seconds_per_step=\\u1")
        assertEquals(Measured(), world.measurements.read())
    }
}
