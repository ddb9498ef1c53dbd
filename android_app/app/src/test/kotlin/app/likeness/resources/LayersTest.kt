package app.likeness.resources

import java.io.File
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

/** Which part of the app may know which. */
class LayersTest {
    private fun usesAndroid(file: File) = Regex("^import android\\.|\\bandroid\\.\\w+\\.", RegexOption.MULTILINE)
        .containsMatchIn(file.readText().lines().filter { "const val" !in it && "*" !in it.take(8) }.joinToString("\n"))

    @Test
    fun viewModelsStatesAndWhatTheyStandOnKnowNoAndroid() {
        val purePackages = setOf("storage", "problem")
        val pureNames =
            Regex(
                "(ViewModel|UiState|Worker|Run|Meter|Keeper|State|Planner|Painter|Forecast|Policy|Monitor|" +
                    "Conditions|Levels|Budget|Installer|Provider|Route|BackStack|Mentions|Source|Id)$",
            )
        val exceptions = setOf("PhoneConditions", "ContentPhotoSource", "AssetBundleSource", "SharedPictureProvider")
        val pure = AppSources.kotlin.filter {
            it.parentFile.name in purePackages || pureNames.containsMatchIn(it.nameWithoutExtension)
        }.filter { it.nameWithoutExtension !in exceptions }
        assertTrue(pure.size > 35, "${pure.size}")
        assertEquals(emptyList(), pure.filter(::usesAndroid).map { it.name })
    }

    @Test
    fun newerAndroidIsReachedInOnePlace() {
        val reflecting = AppSources.kotlin.filter {
            Regex("getMethod\\(|Class\\.forName|getConstructor").containsMatchIn(it.readText())
        }
        assertEquals(listOf("NewerApis.kt"), reflecting.map { it.name })
    }

    @Test
    fun nothingOpensAConnection() {
        val network = Regex("java\\.net\\.|HttpURL|Socket|android\\.net\\.(?!Uri)|WebView|DownloadManager")
        assertEquals(emptyList(), AppSources.kotlin.filter { network.containsMatchIn(it.readText()) }.map { it.name })
    }

    @Test
    fun filesAreSmallAndLinesShort() = AppSources.kotlin.forEach { file ->
        val lines = file.readLines()
        assertTrue(lines.size < 400, "${file.name} has ${lines.size} lines")
        lines.forEach { assertTrue(it.length <= 120, "${file.name}: $it") }
    }
}
